import {
  brokers,
  bytes,
  flag,
  integer,
  oneOf,
  optional,
  port,
  ratio,
  secret,
  text,
  url,
  matching,
  type Setting,
} from './settings.js';

/** Settings that every service has: where Kafka and its database are, how it is watched. */
export const KAFKA_SETTINGS = {
  KAFKA_BROKERS: brokers('the bootstrap brokers, host:port, comma-separated', '127.0.0.1:9092'),
  KAFKA_TOPIC_PREFIX: matching(/^[A-Za-z0-9._-]{0,100}$/, 'letters, digits, dots, dashes and underscores')(
    'goes before every topic name',
    '',
  ),
  KAFKA_SSL: flag('talk TLS to the brokers', 'false'),
  KAFKA_SSL_CA_FILE: optional(text('a PEM file with the authorities to trust')),
  KAFKA_SSL_CERT_FILE: optional(text("a PEM file with this client's certificate")),
  KAFKA_SSL_KEY_FILE: optional(text('a PEM file with the key of that certificate')),
  KAFKA_SASL_MECHANISM: optional(oneOf(['plain', 'scram-sha-256', 'scram-sha-512'])('how to log in')),
  KAFKA_SASL_USERNAME: optional(text('who logs in')),
  KAFKA_SASL_PASSWORD: optional(secret(text('with what password'))),
} as const;

/** The producer's settings, with the meanings that Kafka's own producer gives them. */
export const PRODUCER_SETTINGS = {
  KAFKA_ACKS: oneOf(['all', '-1', '0', '1'])('which replicas must have a record before it counts as sent', 'all'),
  KAFKA_RETRIES: integer(0, 2_147_483_647)('how often a failed send is tried again', '2147483647'),
  KAFKA_LINGER_MS: integer(0, 60_000)('how long a batch waits for more records, milliseconds', '0'),
  KAFKA_BATCH_SIZE: bytes(1024, 64 * 1024 ** 2)('the most bytes in one batch', '524288'),
  KAFKA_BUFFER_MEMORY: bytes(1024, 8 * 1024 ** 3)('the most bytes that wait to be sent', '33554432'),
  KAFKA_COMPRESSION: oneOf(['none', 'gzip'])('how batches are compressed', 'none'),
  KAFKA_PINNED_KEYS: pinnedKeys('keys that are pinned to a partition: key=partition, comma-separated', ''),
} as const;

export const databaseSettings = (service: string) => ({
  DATABASE_URL: secret(
    url('postgres:', 'postgresql:')(
      `${service}'s database`,
      `postgres://bongsu_${service}:bongsu_${service}@127.0.0.1:15432/bongsu`,
    ),
  ),
  DATABASE_POOL: integer(2, 200)('the most connections to the database', '10'),
});

export const observabilitySettings = (managementPort: number) => ({
  MANAGEMENT_PORT: port('health and metrics', String(managementPort)),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])(
    'the least severe line that is logged',
    'info',
  ),
  // OpenTelemetry's own names and meanings (docs/tracing.md).
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    url('http:', 'https:')('the OTLP/HTTP collector that traces go to; none, and there are no traces'),
  ),
  OTEL_EXPORTER_OTLP_HEADERS: optional(
    secret(keyValues('headers of requests to the collector: name=value, comma-separated')),
  ),
  OTEL_RESOURCE_ATTRIBUTES: optional(
    keyValues('what every span says of where it is from: name=value, comma-separated'),
  ),
  OTEL_TRACES_SAMPLER: oneOf([
    'always_on',
    'always_off',
    'traceidratio',
    'parentbased_always_on',
    'parentbased_always_off',
    'parentbased_traceidratio',
  ])('which traces are kept', 'parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: ratio('the share of traces that the ratio samplers keep, from 0 to 1', '1'),
});

/** Names and values as OpenTelemetry's variables have them: values are percent-encoded where they have to be. */
function keyValues(description: string): Setting<ReadonlyMap<string, string>> {
  return {
    description,
    fallback: undefined,
    parse(value) {
      const pairs = value.split(',').filter((each) => each.trim() !== '');
      return new Map(
        pairs.map((pair): [string, string] => {
          const [name, text] = [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()];
          const decoded = percentDecoded(text);
          if (!/^[!#$%&'*+.^_`|~0-9A-Za-z/-]+$/.test(name) || !pair.includes('=') || !/^[\x20-\x7e]*$/.test(decoded))
            throw new Error('must be name=value pairs, comma-separated, with values percent-encoded');
          return [name, decoded];
        }),
      );
    },
  };
}

function pinnedKeys(description: string, fallback: string): Setting<ReadonlyMap<string, number>> {
  return {
    description,
    fallback,
    parse(value) {
      const pins = new Map<string, number>();
      for (const pair of value.split(',').filter((each) => each.trim() !== '')) {
        const at = pair.lastIndexOf('=');
        const partition = pair.slice(at + 1).trim();
        if (at < 1 || !/^\d{1,6}$/.test(partition)) throw new Error('must be key=partition pairs, comma-separated');
        pins.set(pair.slice(0, at).trim(), Number(partition));
      }
      return pins;
    },
  };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
