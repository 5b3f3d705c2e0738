import { Outbox, OutboxRelay, query, relayBatch, transaction } from '@bongsu/persistence';
import { KAFKA_SETTINGS, PRODUCER_SETTINGS, readSettings } from '@bongsu/config';
import type { OutgoingRecord } from '@bongsu/contracts';
import { KafkaProducer } from '@bongsu/kafka';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freshLedger, logger, relayTo } from '../notification/database.js';

let dataSource: DataSource;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ dataSource, close } = await freshLedger());
});
afterAll(() => close());

let next = 0;
async function stream(): Promise<string> {
  const name = `s${next++}`;
  await transaction(dataSource, (tx) => Outbox.open(tx, name));
  return name;
}

const record = (n: number): OutgoingRecord => ({
  topic: 'notification.events.v1',
  key: `k${n}`,
  value: Buffer.from([n & 0xff, 0, 0xff]),
  headers: { ce_id: String(n) },
});
const append = (name: string, ...numbers: number[]) =>
  transaction(dataSource, (tx) => Outbox.append(tx, name, numbers.map(record)));

describe('the outbox relay', () => {
  it('sends bytes and headers as they were written, in order, once', async () => {
    const name = await stream();
    const sent: OutgoingRecord[] = [];
    const relay = new OutboxRelay({
      dataSource,
      stream: name,
      logger,
      batch: 2,
      producer: relayTo(async (records) => void sent.push(...records)),
    });
    relay.start();
    await append(name, 1, 2, 3);
    relay.notify();
    await append(name, 4, 5);
    relay.notify();
    await expect.poll(() => sent.length).toBe(5);
    await relay.stop();
    expect(sent).toEqual([1, 2, 3, 4, 5].map(record));
  });

  it('sends nothing of a transaction that was rolled back', async () => {
    const name = await stream();
    const failing = transaction(dataSource, async (tx) => {
      await Outbox.append(tx, name, [record(1)]);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    await append(name, 2);
    const sent: OutgoingRecord[] = [];
    await relayBatch({
      dataSource,
      stream: name,
      batch: 10,
      producer: relayTo(async (records) => void sent.push(...records)),
    });
    expect(sent).toEqual([record(2)]);
  });

  it('sends no more bytes at a time than the producer takes, but at least one record, and does not rest in between', async () => {
    const name = await stream();
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    await append(name, ...numbers.slice(0, 10));
    await transaction(dataSource, (tx) => Outbox.append(tx, name, [{ ...record(10), value: Buffer.alloc(40) }]));
    await append(name, ...numbers.slice(11));
    const batches: OutgoingRecord[][] = [];
    const producer = relayTo(async (records) => void batches.push(records), 16);
    const relay = new OutboxRelay({ dataSource, stream: name, logger, producer, batch: 20, pollMs: 60_000 });
    relay.start();
    await expect.poll(() => batches.flat().length, { timeout: 10_000 }).toBe(20);
    await relay.stop();
    expect(batches.flat().map(({ key }) => key)).toEqual(numbers.map((n) => `k${n}`));
    // Each has three bytes, the one in the middle 40.
    expect(batches.map((each) => each.length)).toEqual([5, 5, 1, 5, 4]);
  });

  it("relays whatever the size of the producer's buffer is, also one that four does not divide", async () => {
    const name = await stream();
    await append(name, 1, 2);
    const settings = readSettings(
      { ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS },
      { KAFKA_BROKERS: inject('bongsu').kafkaBrokers, KAFKA_TOPIC_PREFIX: `${name}-`, KAFKA_BUFFER_MEMORY: '1025' },
    );
    const { listBytes } = new KafkaProducer({ settings, clientId: 'test', logger });
    const sent: OutgoingRecord[] = [];
    const producer = relayTo(async (records) => void sent.push(...records), listBytes);
    await relayBatch({ dataSource, stream: name, batch: 100, producer });
    expect(sent).toEqual([record(1), record(2)]);
  });

  it('keeps what Kafka did not take, and sends it in order when it does', async () => {
    const name = await stream();
    const sent: OutgoingRecord[] = [];
    let failures = 3;
    const send = async (records: OutgoingRecord[]): Promise<void> => {
      if (failures-- > 0) throw new Error('Kafka is away');
      sent.push(...records);
    };
    const relay = new OutboxRelay({ dataSource, stream: name, logger, producer: relayTo(send), pollMs: 20 });
    await append(name, 1, 2);
    relay.start();
    await append(name, 3);
    await expect.poll(() => sent.length, { timeout: 5000 }).toBe(3);
    await relay.stop();
    expect(sent.map(({ key }) => key)).toEqual(['k1', 'k2', 'k3']);
  });

  it('sends again, the same ids, what was on its way when a relay died', async () => {
    const name = await stream();
    await append(name, 1, 2);
    const arrived: string[] = [];
    const dying = relayBatch({
      dataSource,
      stream: name,
      batch: 10,
      producer: relayTo(async (records) => {
        arrived.push(...records.map(({ headers }) => headers['ce_id'] ?? ''));
        throw new Error('died after Kafka had them');
      }),
    });
    await expect(dying).rejects.toThrow('died');
    await relayBatch({
      dataSource,
      stream: name,
      batch: 10,
      producer: relayTo(async (records) => void arrived.push(...records.map(({ headers }) => headers['ce_id'] ?? ''))),
    });
    expect(arrived).toEqual(['1', '2', '1', '2']);
  });

  it('lets one replica relay a stream while the others pass on', async () => {
    const name = await stream();
    await append(name, 1);
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const first = relayBatch({ dataSource, stream: name, batch: 10, producer: relayTo(() => gate) });
    await expect
      .poll(() =>
        query(
          dataSource,
          "SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'outbox_relays' AND l.mode = 'RowShareLock'",
        ),
      )
      .toHaveLength(1);
    const second = await relayBatch({
      dataSource,
      stream: name,
      batch: 10,
      producer: relayTo(() => expect.unreachable('the other has it')),
    });
    open();
    expect([second.sent, (await first).sent]).toEqual([0, 1]);
  });

  it('empties itself before it stops', async () => {
    const name = await stream();
    const sent: string[] = [];
    const relay = new OutboxRelay({
      dataSource,
      stream: name,
      logger,
      batch: 10,
      producer: relayTo(async (records) => void sent.push(...records.map(({ key }) => key))),
    });
    relay.start();
    await append(name, ...Array.from({ length: 95 }, (_, n) => n));
    await relay.stop();
    expect(sent).toHaveLength(95);
  });
});
