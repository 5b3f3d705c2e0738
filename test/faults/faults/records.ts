import { TOPICS } from '@bongsu/contracts';
import type { Message } from 'kafkajs';
import { askKafka, kafkaOf } from '../ask-kafka.ts';
import type { Fault, Scene } from '../fault.ts';
import { POISON } from '../evidence.ts';

const KINDS: readonly Message[] = [
  { key: null, value: '{"id":"no key"}' },
  { key: 'default/user-1', value: null },
  { key: 'default/user-1', value: 'not JSON' },
  { key: 'default/user-1', value: '{"valid":"but of another shape"}' },
  { key: 'default/user-1', value: '{}', headers: { ce_type: 'of.nobody.v9', ce_id: 'x', ce_specversion: '1.0' } },
  { key: 'default/user-1', value: `{"id":"${'x'.repeat(900_000)}"}` },
  { key: 'default/user-1', value: '[]', timestamp: String(Date.UTC(9999, 0, 1)) },
  { key: 'default/user-1', value: '\u0000\u0000' },
];

async function poison({ system, random }: Scene, times: number): Promise<number> {
  const producer = kafkaOf(system).producer();
  await producer.connect();
  const lanes = Object.values(TOPICS.requests);
  for (let n = 0; n < times; n++) {
    const messages = KINDS.map((kind) => ({
      ...kind,
      partition: random(0, 8),
      headers: { ...kind.headers, [POISON]: '1' },
    }));
    await producer.send({ topic: system.prefix + lanes[n % lanes.length]!.name, messages });
  }
  await producer.disconnect();
  return times * KINDS.length;
}

/** What does not belong into the topics. */
export const RECORD_FAULTS: readonly Fault[] = [
  {
    number: 19,
    title: 'poison records of every kind among the others',
    async act(scene) {
      for (let round = 0; round < 4; round++) {
        const sent = await poison(scene, 3);
        scene.say(`${sent} poison records`);
        await scene.load.more(scene.part(0.15));
      }
    },
    async check({ system }) {
      const dead = await askKafka(system, async (admin) => {
        const topics = (await admin.listTopics()).filter(
          (name) => name.startsWith(system.prefix) && name.endsWith('.dlt'),
        );
        let records = 0;
        for (const topic of topics)
          for (const { low, high } of await admin.fetchTopicOffsets(topic)) records += Number(high) - Number(low);
        return records;
      });
      // The services that read requests (notification and the api's read model) each put them aside.
      const sent = 4 * 3 * KINDS.length;
      return dead >= sent ? [] : [`Of ${sent} poison records only ${dead} are in dead-letter topics`];
    },
  },
];
