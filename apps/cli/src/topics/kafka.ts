import { setTimeout as sleep } from 'node:timers/promises';
import { KAFKA_SETTINGS, observabilitySettings, readSettings } from '@bongsu/config';
import { refusalIn, TOPIC_SETTINGS, TopicAdmin, type KafkaSettings, type TopicOverrides } from '@bongsu/kafka';
import { createLogger, type Logger } from '@bongsu/observability';
import { CommandFailure, EXIT } from '../command-line/exit.js';

/** What the commands that speak to Kafka are told by variables; the same ones as the services'. */
export interface KafkaTarget {
  readonly settings: KafkaSettings;
  readonly logger: Logger;
  readonly overrides: TopicOverrides;
  /** A client for one command. Must be closed. */
  connect(): TopicAdmin;
}

/** Throws a SettingsError for variables that are not valid. */
export function kafkaTarget(env = process.env): KafkaTarget {
  const local = {
    ...env,
    KAFKA_BROKERS: env['KAFKA_BROKERS'] || (env['KAFKA_PORT'] && `127.0.0.1:${env['KAFKA_PORT']}`),
  };
  const settings = readSettings({ ...KAFKA_SETTINGS, ...TOPIC_SETTINGS }, local);
  const { LOG_LEVEL } = readSettings({ LOG_LEVEL: { ...observabilitySettings(1).LOG_LEVEL, fallback: 'silent' } }, env);
  // On stderr, and silent unless asked for: what went wrong is said once, by the command, in words.
  const logger = createLogger('bongsu', LOG_LEVEL, process.stderr);
  return {
    settings,
    logger,
    overrides: settings.KAFKA_TOPICS,
    connect: () => new TopicAdmin({ settings, logger, replicationFactor: settings.KAFKA_REPLICATION_FACTOR }),
  };
}

/** Runs `work` with a client; what Kafka does not answer becomes a CommandFailure. */
export async function withKafka<T>(target: KafkaTarget, work: (admin: TopicAdmin) => Promise<T>): Promise<T> {
  const admin = target.connect();
  try {
    return await work(admin);
  } catch (cause) {
    throw cause instanceof CommandFailure ? cause : unreachable(target, cause);
  } finally {
    await admin.close();
  }
}

/**
 * The same, tried again until it succeeds or the time is over (milliseconds): brokers that are starting refuse connections
 * first and too many replicas after.
 */
export async function withKafkaPatiently<T>(
  target: KafkaTarget,
  patienceMs: number,
  onWait: (reason: string) => void,
  work: (admin: TopicAdmin) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let announced = false; ;) {
    try {
      return await withKafka(target, work);
    } catch (error) {
      const final = !(error instanceof CommandFailure) || error.exitCode !== EXIT.unreachable || isRefusal(error.cause);
      if (final || performance.now() >= deadline) throw error;
      if (!announced) onWait(error.message);
      announced = true;
    }
    await sleep(500);
  }
}

const isRefusal = (error: unknown): boolean => error instanceof Error && /SASL|Authorization/i.test(error.name);

/** What Kafka did not do, in words. */
export function unreachable({ settings }: KafkaTarget, cause: unknown): CommandFailure {
  const said = cause instanceof Error ? cause.message : String(cause);
  const asked = { broker: settings.KAFKA_BROKERS.join(', '), user: settings.KAFKA_SASL_USERNAME };
  const reason = refusalIn(said, asked) ?? said;
  return new CommandFailure(
    EXIT.unreachable,
    `Kafka at ${settings.KAFKA_BROKERS.join(', ')} does not do it: ${reason || 'no answer'}. KAFKA_BROKERS says where it is.`,
    { cause },
  );
}
