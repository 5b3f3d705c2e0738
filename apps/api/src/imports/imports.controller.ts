import { Controller } from '@nestjs/common';
import { BongsuError, notificationKey, TOPICS, type RawRecord } from '@bongsu/contracts';
import { OnBatch, type RawBatch, type RejectedRecord } from '@bongsu/kafka';
import { Acceptance } from '../notifications/acceptance.js';
import { readLine, type ImportedLine } from './line.js';

/** Who has sent it, in requests and in the audit trail. */
const CALLER = { keyId: 'import', scopes: [] } as const;
/** A record's time is its producer's word; one that Kafka would not have any more, or of the future, is not taken. */
const OLDEST_MS = 8 * 86_400_000;
const FUTURE_MS = 60_000;

interface Line extends ImportedLine {
  readonly raw: RawRecord;
}

/**
 * Makes requests of the lines in the imports topic (docs/guides/kafka-connect.md), by the same rules as HTTP. What is no
 * request is dead-lettered; while Kafka is away the batch waits.
 */
@Controller()
export class ImportsController {
  private readonly acceptance: Acceptance;
  constructor(acceptance: Acceptance) {
    this.acceptance = acceptance;
  }

  @OnBatch(TOPICS.imports, { as: 'bytes', sideBySide: 1 })
  async lines({ records }: RawBatch): Promise<RejectedRecord[]> {
    const rejected: RejectedRecord[] = [];
    const lines = new Map<string, Line[]>();
    for (const raw of records) {
      const line = refusedInto(rejected, raw, () => readLine(raw));
      if (!line) continue;
      const key = notificationKey(line.tenant, line.request.recipient.id, line.request.orderingKey);
      const before = lines.get(key);
      if (before) before.push({ ...line, raw });
      else lines.set(key, [{ ...line, raw }]);
    }
    // Of one key one after the other, so that they keep their order; all are waited for, also when one has failed.
    const outcomes = await Promise.allSettled([...lines.values()].map((ofKey) => this.accept(ofKey, rejected)));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return rejected;
  }

  private async accept(lines: readonly Line[], rejected: RejectedRecord[]): Promise<void> {
    for (const { raw, tenant, request, idempotencyKey } of lines) {
      try {
        const askedAt = askedAtOf(raw);
        await this.acceptance.accept(request, { ...CALLER, tenant }, { idempotencyKey, askedAt });
      } catch (error) {
        rejected.push(refusal(raw, error));
      }
    }
  }
}

/** A line's id follows from it: lines that are read again much later, after a reset of the group, must not be sent again. */
function askedAtOf({ timestamp }: RawRecord, now = Date.now()): number {
  const at = Number(timestamp);
  return at > now - OLDEST_MS && at < now + FUTURE_MS ? at : now;
}

function refusedInto<T>(rejected: RejectedRecord[], raw: RawRecord, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    rejected.push(refusal(raw, error));
    return undefined;
  }
}

/** Why a line goes to the dead-letter topic. Rethrows what is not the line's fault: it is tried again. */
function refusal({ offset }: RawRecord, error: unknown): RejectedRecord {
  if (!(error instanceof BongsuError) || error.retryable) throw error;
  return { offset, code: error.code, detail: error.message };
}
