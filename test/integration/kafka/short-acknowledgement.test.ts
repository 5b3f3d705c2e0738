import { KafkaProxy } from '@bongsu/testing';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic } from './harness.js';

const topic = testTopic('moves.v1', 2);
/** Keys whose partition is 0 and 1 of two. */
const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
let bench: Bench;
let proxy: KafkaProxy;

beforeEach(async () => {
  bench = await Bench.start([topic]);
  // One real broker that looks like two: node 1 leads partition 0, node 2 leads partition 1.
  proxy = await KafkaProxy.start({ broker: brokers(), nodes: [1, 2] });
  proxy.leaderOf = (_, partition) => partition + 1;
});
afterEach(async () => {
  await bench.end();
  await proxy.stop();
});

/**
 * While a send to both nodes is under way, node 2 loses the request and its partition moves to node 1, which has already
 * answered for partition 0.
 */
function moveLeaderDuringNextSend(): void {
  let moved = false;
  proxy.fate = ({ isProduce, node }) => {
    if (!isProduce || node !== 2 || moved) return 'pass';
    moved = true;
    proxy.leaderOf = () => 1;
    return 'lose-request';
  };
}

const values = async (): Promise<number[]> =>
  (await bench.read(topic.name))
    .map((record) => (JSON.parse(record.value!.toString()) as { n: number }).n)
    .toSorted((a, b) => a - b);

describe('a leader that moves in the middle of a send', () => {
  it('makes plain kafkajs acknowledge a record that it never sent', async () => {
    const producer = new kafkajs.Kafka({ brokers: [proxy.bootstrap], logLevel: kafkajs.logLevel.NOTHING }).producer({
      idempotent: true,
      createPartitioner: () => (args) => args.message.partition!,
    });
    await producer.connect();
    const send = (n: number) =>
      producer.send({
        topic: bench.prefix + topic.name,
        messages: [0, 1].map((partition) => ({ partition, key: 'k', value: JSON.stringify({ n: n + partition }) })),
      });
    await send(0);
    moveLeaderDuringNextSend();
    const acknowledged = await send(10); // It resolves: for its caller both records are safe.
    await producer.disconnect();
    expect(acknowledged.map(({ partition }) => partition)).toEqual([0]);
    expect(await values()).toEqual([0, 1, 10]); // 11 is lost.
  });

  it('loses nothing with our producer: what is missing in the answer is sent again', async () => {
    const producer = await bench.producer({ KAFKA_BROKERS: proxy.bootstrap });
    await Promise.all(keys.map((key, n) => producer.send(numbered(topic, key, n))));
    moveLeaderDuringNextSend();
    const metadata = await Promise.all(keys.map((key, n) => producer.send(numbered(topic, key, 10 + n))));
    await Promise.all(keys.map((key, n) => producer.send(numbered(topic, key, 20 + n))));
    expect(new Set(metadata.map(({ partition }) => partition))).toEqual(new Set([0, 1]));
    const records = await bench.read(topic.name);
    expect(records).toHaveLength(18);
    expect(await values()).toEqual([0, 10, 20].flatMap((from) => keys.map((_, n) => from + n)));
    for (const key of keys) {
      const ofKey = records.filter((record) => record.key!.toString() === key);
      const n = keys.indexOf(key);
      expect(ofKey.map((record) => JSON.parse(record.value!.toString()))).toEqual([
        { n },
        { n: 10 + n },
        { n: 20 + n },
      ]);
    }
    expect(bench.log.lines.filter(({ msg }) => msg.includes('acknowledged only some partitions'))).toHaveLength(1);
  });
});
