import { KAFKA_SETTINGS, PRODUCER_SETTINGS, readSettings, type Settings } from '@bongsu/config';

const SPEC = { ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS };

/** The services' own settings of Kafka, with their defaults. */
export const kafkaSettings = (env: NodeJS.ProcessEnv = {}): Settings<typeof SPEC> =>
  readSettings(SPEC, { ...process.env, ...env });
