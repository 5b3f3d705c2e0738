import { ConfigResourceTypes, type IResourceConfigEntry } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { waitUntil } from '@bongsu/testing';
import {
  admin,
  database,
  examine,
  examineUntilWell,
  having,
  illWith,
  kafka,
  shifted,
  system,
  topic,
  withSystem,
} from './examination.js';

/** Each thing that the doctor looks at is really broken here, once, and mended again. */

withSystem('doctor-servers');

describe('Kafka', () => {
  const configure = (type: ConfigResourceTypes, name: string, configEntries: IResourceConfigEntry[]) =>
    admin.alterConfigs({ validateOnly: false, resources: [{ type, name, configEntries }] });

  it('that is not there', async () => {
    expect(await examine({ KAFKA_BROKERS: '127.0.0.1:1' })).toEqual(illWith(/^failed Kafka: .* → Start the stack/, 1));
  });

  it('whose topic is kept for another time, and mended by the advice', async () => {
    await configure(ConfigResourceTypes.TOPIC, topic('notification.events.v1'), [
      { name: 'retention.ms', value: '60000' },
    ]);
    expect(await examine()).toEqual(
      illWith(
        /^failed topics: .*notification\.events\.v1: .*retention\.ms 60000 → 604800000.* → bongsu topics apply$/,
        1,
      ),
    );
    await system.cli(['topics', 'apply', '--yes']);
    expect((await examine()).ill).toEqual([]);
  });

  it('that has fewer copies than are wanted', async () => {
    expect(await examine({ KAFKA_REPLICATION_FACTOR: '3' })).toEqual(
      illWith(/^warning topics: .*has 1 replica\(s\), 3 declared/, 0),
    );
  });

  it('whose broker may lose what it acknowledged', async () => {
    const { brokers } = await admin.describeCluster();
    const broker = String(brokers[0]?.nodeId);
    await configure(ConfigResourceTypes.BROKER, broker, [{ name: 'unclean.leader.election.enable', value: 'true' }]);
    try {
      expect(await examine()).toEqual(illWith(/^failed Kafka: unclean\.leader\.election\.enable on broker \d+/, 1));
    } finally {
      await configure(ConfigResourceTypes.BROKER, broker, []);
    }
  });

  it('with a record that nobody can read', async () => {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: topic('notification.commands.v1'), messages: [{ key: 'k', value: 'no JSON' }] });
    await producer.disconnect();
    const found = await waitUntil('dead letters of both readers', async () => {
      const last = await examine();
      return (
        last.ill.some((each) => each.includes('bongsu.status.dlt') && each.includes('bongsu.notification.dlt')) && last
      );
    });
    expect(found.ill).toEqual([
      expect.stringMatching(/^warning dead letters: 1 in .*, 1 in .* → bongsu dead-letters show/),
    ]);
    expect(found.code).toBe(0);
    for (const group of ['bongsu.notification', 'bongsu.status']) {
      const name = topic(`notification.commands.v1.${group}.dlt`);
      const offsets = await admin.fetchTopicOffsets(name);
      await admin.deleteTopicRecords({
        topic: name,
        partitions: offsets.map(({ partition, high }) => ({ partition, offset: high })),
      });
    }
    expect((await examine()).ill).toEqual([]);
  });
});

describe('PostgreSQL', () => {
  it('that is not there', async () => {
    expect(await examine({ DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' })).toEqual(
      illWith(/^failed PostgreSQL: .* → Start PostgreSQL/, 1),
    );
  });

  it('with a migration that was not made, and one of a later version', async () => {
    const renamed = (from: string, to: string) =>
      database.query('UPDATE notification.migrations SET name = $2 WHERE name = $1', [from, to]);
    await renamed('Flows1795305600000', 'Later1999999999999');
    const examination = await examine();
    expect(examination).toEqual(
      illWith(/^failed database of notification: migrations that are not made: Flows1795305600000/, 1),
    );
    await renamed('Later1999999999999', 'Flows1795305600000');
    expect(examination).toEqual(illWith(/of a later version: Later1999999999999/, 1));
  });

  it('without a partition for next week', async () => {
    const { rows } = await database.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'api'::regnamespace AND relkind = 'r' AND relname ~ '^timeline_\\d{10}$'
         AND to_timestamp(substring(relname from '\\d{10}$'), 'YYYYMMDDHH24') > now()`,
    );
    expect(rows.length).toBeGreaterThan(0);
    await database.query(`DROP TABLE ${rows.map(({ name }) => `api.${name}`).join(', ')}`);
    expect(await examine()).toEqual(
      illWith(/^warning database of api: no partition for the time after this one: timeline →/, 0),
    );
    await system.killAndRestart('api');
    expect((await examineUntilWell()).ill).toEqual([]);
  });

  it('with a ledger that lacks what was accepted', async () => {
    // So that all of it was accepted over ten minutes ago.
    const later = shifted(11 * 60_000);
    expect((await examine(later)).ill).not.toEqual(having(/^failed ledger/));
    const [id] = [await system.send({ recipient: { id: 'gone' }, channels: ['log'], content: { body: 'b' } })];
    const row = () => database.query('SELECT FROM notification.notifications WHERE id = $1', [id]);
    await waitUntil('it is in the ledger', async () => (await row()).rowCount === 1);
    await waitUntil('it is in the trail', async () => {
      const { rowCount } = await database.query('SELECT FROM audit.records WHERE subject = $1', [id]);
      return (rowCount ?? 0) > 0;
    });
    await database.query('DELETE FROM notification.notifications WHERE id = $1', [id]);
    expect((await examine(later)).ill).toEqual(
      having(new RegExp(`^failed ledger: 1 of \\d+ .* ${id} among them → .*Wind the group back`)),
    );
  });

  it('with facts that nobody sends', async () => {
    await database.query(`
      INSERT INTO notification.outbox_streams VALUES ('stuck', 1); INSERT INTO notification.outbox_relays VALUES ('stuck', 0);
      INSERT INTO notification.outbox (stream, seq, created_at, topic, key, headers, value)
      VALUES ('stuck', 1, now() - interval '10 min', 'notification.events.v1', 'k', '{}', '')`);
    expect(await examine()).toEqual(illWith(/^failed outbox of notification: 1 facts wait, the oldest for 10 min/, 1));
    await database.query(`DELETE FROM notification.outbox WHERE stream = 'stuck'; DELETE FROM notification.outbox_streams
      WHERE stream = 'stuck'; DELETE FROM notification.outbox_relays WHERE stream = 'stuck'`);
  });
});
