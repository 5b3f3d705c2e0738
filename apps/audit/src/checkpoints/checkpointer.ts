import { chainName, type KeyRing } from '@bongsu/audit-chain';
import { TOPICS } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { readHeads } from '../chain/heads.js';
import type { Database } from '../database/database.js';
import { verifyFailures } from '../verify/metrics.js';
import { CheckpointFile, type StoredNote } from './checkpoint-file.js';
import type { CheckpointKeys } from './checkpoint-keys.js';
import type { CheckpointEvery } from './every.js';
import { checkpointsTotal, unsignedSince } from './metrics.js';
import { publish, type Chain, type SendAll } from './publisher.js';
import { expectEarlier, Refusal, Signer } from './signer.js';
import { ANNOUNCEMENTS, FOLLOWING, NEWEST_OF_EACH } from './sql/checkpoints.js';

/** How often is looked what there is to sign, milliseconds, or as often as is to be signed. */
const LOOK_EVERY_MS = 1_000;

export interface CheckpointerOptions {
  readonly database: Database;
  readonly keys: CheckpointKeys;
  readonly every: CheckpointEvery;
  /** Where checkpoints are written to besides; undefined for nowhere. */
  readonly file: string | undefined;
  readonly sendAll: SendAll;
  readonly logger: Logger;
  readonly now?: () => number;
}

/**
 * Signs the state of every chain that has moved, and hands the checkpoint on to Kafka and to a file. It is stored first:
 * whatever dies afterwards, at the next round what is stored and not yet there is handed on.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #signer: Signer;
  readonly #now: () => number;
  /** Why a chain is not signed, as it was last said. */
  readonly #refused = new Map<string, string>();
  /** The size of what was signed here last, by chain: it extends what the file has. */
  readonly #signedHere = new Map<string, number>();
  #file: CheckpointFile | undefined;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#signer = new Signer(options.database, options.keys, this.#now);
  }

  /** Goes on until `stop`. Without a key nothing is signed, which is said once, aloud. */
  start(): void {
    const { keys, logger } = this.#options;
    if (!keys.current) {
      logger.error(
        'There is no AUDIT_SIGNING_KEY: no checkpoints are signed, and nothing shows if the store is made anew',
      );
      return;
    }
    logger.info({ key: keys.current.verifier.toString() }, 'Checkpoints are signed; give this key to who is to verify');
    this.#again(0);
  }

  /** Ends the round at hand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
    await this.#file?.close();
    unsignedSince.clear();
  }

  /** Signs what is due, and hands on what is stored. Rejects when the database, Kafka or the file fail; then it is to be called again. */
  async round(): Promise<void> {
    const { database, sendAll } = this.#options;
    this.#file ??= await this.#openFile();
    await this.#signer.checkAnnounced();
    const heads = await readHeads(database);
    const signed = await this.#newest(heads);
    for (const { topic, partition, sequence } of withLost(heads, this.#file)) {
      const size = signed.get(chainName(topic, partition)) ?? 0;
      if (this.#isDue(topic, partition, Number(sequence), size)) await this.#sign(topic, partition);
    }
    // The file first: it does not fail for as long as Kafka may.
    await this.#writeFile(heads);
    while ((await publish(database, heads, sendAll)) > 0 && !this.#stopped);
  }

  #again(inMs: number): void {
    const { logger, every } = this.#options;
    this.#timer = setTimeout(() => {
      this.#round = this.round()
        .catch((error: unknown) =>
          logger.error({ err: error }, 'Checkpoints could not be made or handed on; it is tried again'),
        )
        .finally(() => {
          if (!this.#stopped) this.#again(Math.min(LOOK_EVERY_MS, every.ms));
        });
    }, inMs);
  }

  #isDue(topic: string, partition: number, length: number, signed: number): boolean {
    const chain = chainName(topic, partition);
    const unsigned = length - signed;
    // A store that was rolled back whole has nothing to sign, and must be noticed all the same.
    const behind = unsigned < 0 || signed < (this.#file?.newest(topic, partition)?.size ?? 0);
    // A checkpoint of the checkpoints' own chain is a record of that chain: it alone must not lead to the next one.
    const own = topic === TOPICS.checkpoints.name && !this.#signer.announcing ? 1 : 0;
    if (unsigned <= own && !behind) {
      unsignedSince.delete(chain);
      return false;
    }
    const since = unsignedSince.get(chain) ?? this.#now();
    unsignedSince.set(chain, since);
    const { every } = this.#options;
    return behind || this.#signer.announcing || unsigned >= every.records || this.#now() - since >= every.ms;
  }

  async #sign(topic: string, partition: number): Promise<void> {
    const chain = chainName(topic, partition);
    try {
      for (let left = 1; left > 0 && !this.#stopped;) {
        const signed = await this.#signer.sign(topic, partition, this.#file?.newest(topic, partition));
        if (!signed) return;
        checkpointsTotal.inc({ topic });
        this.#signedHere.set(chain, signed.size);
        unsignedSince.delete(chain);
        this.#refused.delete(chain);
        left = signed.left;
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(chain, error);
    }
  }

  /** Says so, once. */
  #refuse(chain: string, { message }: Refusal): void {
    if (this.#refused.get(chain) === message) return;
    this.#refused.set(chain, message);
    verifyFailures.inc();
    this.#options.logger.error(
      { chain, why: message },
      'The chain is not signed any more: the store contradicts what was signed',
    );
  }

  async #newest(chains: readonly Chain[]): Promise<Map<string, number>> {
    const rows = await this.#options.database.query<Chain & { size: string }>(NEWEST_OF_EACH, columnsOf(chains));
    return new Map(rows.map(({ topic, partition, size }) => [chainName(topic, partition), Number(size)]));
  }

  async #ring(): Promise<KeyRing> {
    const rows = await this.#options.database.query<{ note: string }>(ANNOUNCEMENTS);
    return this.#options.keys.ring(rows.map(({ note }) => note));
  }

  async #openFile(): Promise<CheckpointFile | undefined> {
    const { file, logger } = this.#options;
    return file === undefined ? undefined : await CheckpointFile.open(file, await this.#ring(), logger);
  }

  async #writeFile(chains: readonly Chain[]): Promise<void> {
    const file = this.#file;
    if (!file) return;
    const ring = await this.#ring();
    const refused = new Set<string>();
    for (;;) {
      const sizes = chains.map(({ topic, partition }) => file.newest(topic, partition)?.size ?? 0);
      const query = this.#options.database.query<Omit<StoredNote, 'size'> & { size: string }>(FOLLOWING, [
        ...columnsOf(chains),
        sizes,
      ]);
      const notes = (await query).map((row) => ({ ...row, size: Number(row.size) }));
      const ours = notes.filter(({ note }) => !('refused' in ring.open(note)));
      // The last of each chain is what is known afterwards. A proof for each would take hours after a day's absence.
      const last = new Map(ours.map((note) => [chainOf(note), note]));
      for (const [chain, note] of last) if (!(await this.#continues(file, note, ring))) refused.add(chain);
      const good = ours.filter((note) => !refused.has(chainOf(note)));
      if (good.length === 0) return;
      await this.#append(file, good, ring);
    }
  }

  /** Whether a note extends what the file has: one that does not must not take its place as what is known. */
  async #continues(file: CheckpointFile, note: StoredNote, ring: KeyRing): Promise<boolean> {
    const { topic, partition } = note;
    const [known, state] = [file.newest(topic, partition), ring.open(note.note)];
    if (!known || 'refused' in state || note.size <= (this.#signedHere.get(chainOf(note)) ?? 0)) return true;
    try {
      const query = this.#options.database.query.bind(this.#options.database);
      await expectEarlier({ query, topic, partition }, known, state);
      return true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(chainOf(note), error);
      return false;
    }
  }

  /** A write that broke off, on a disk that is full, left half a note: opening again cuts it away before the next one. */
  async #append(file: CheckpointFile, notes: readonly StoredNote[], ring: KeyRing): Promise<void> {
    try {
      await file.append(notes, ring);
    } catch (error) {
      this.#file = undefined;
      await file.close().catch(() => undefined);
      throw error;
    }
  }
}

/** The chains of the store, and those that it should have: which were signed once. */
function withLost(heads: readonly Length[], file: CheckpointFile | undefined): Length[] {
  const there = new Set(heads.map(({ topic, partition }) => chainName(topic, partition)));
  const lost = (file?.chains ?? []).filter((chain) => !there.has(chain));
  return [
    ...heads,
    ...lost.map((chain) => {
      const at = chain.lastIndexOf('/');
      return { topic: chain.slice(0, at), partition: Number(chain.slice(at + 1)), sequence: 0n };
    }),
  ];
}

interface Length extends Chain {
  readonly sequence: bigint;
}

const chainOf = ({ topic, partition }: Chain): string => chainName(topic, partition);

const columnsOf = (chains: readonly Chain[]): [topics: string[], partitions: number[]] => [
  chains.map(({ topic }) => topic),
  chains.map(({ partition }) => partition),
];
