import { Kafka, logLevel, type Admin } from 'kafkajs';
import type { System } from './system.ts';

/** A client of the suite's own, straight to the brokers: no proxy in between, and nothing of the system's. */
export const kafkaOf = ({ stack }: System): Kafka =>
  new Kafka({ brokers: stack.kafkaBrokers.split(','), logLevel: logLevel.NOTHING });

/** Asks the cluster something, with a connection for this alone: any broker may have died since the last time. */
export async function askKafka<T>(system: System, question: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkaOf(system).admin();
  await admin.connect();
  try {
    return await question(admin);
  } finally {
    await admin.disconnect();
  }
}
