import type { DataSource } from 'typeorm';
import { afterAll, beforeAll } from 'vitest';
import { notificationDataSource } from '../../../apps/notification/src/database/data-source.js';
import { SHARD, type ledgerRig } from './ledger-rig.js';
import { UnheardProxy } from './unheard-proxy.js';

/** What a statement says whose connection broke. */
export const BROKEN = /Connection terminated/;

/** Workers whose connections to the ledger break when a test says so. */
export function flakyWorkers(rig: ReturnType<typeof ledgerRig>) {
  let proxy: UnheardProxy;
  let dataSource: DataSource;
  beforeAll(async () => {
    const url = new URL(rig.url);
    proxy = await UnheardProxy.start({ host: url.hostname, port: Number(url.port) });
    url.hostname = '127.0.0.1';
    url.port = String(proxy.port);
    dataSource = await notificationDataSource(url.href, 8).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await proxy.stop();
  });
  return {
    get proxy() {
      return proxy;
    },
    get dataSource() {
      return dataSource;
    },
    worker: async () => {
      const made = await rig.replica(undefined, dataSource);
      await made.own(SHARD);
      made.shards.caughtUp(SHARD);
      return made;
    },
  };
}
