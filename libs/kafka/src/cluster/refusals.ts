/** Who asks whom, for words that say what to look at. */
export interface Asked {
  /** `host:port`. */
  readonly broker: string | undefined;
  readonly user: string | undefined;
}

interface Refusal {
  /** What kafkajs, Node or the broker says. */
  readonly said: RegExp;
  readonly means: (asked: { broker: string; user: string }, said: string) => string;
}

/** Failures that no further try mends: somebody has to change a setting, a certificate, a password or a right. */
const REFUSALS: readonly Refusal[] = [
  {
    said: /SASL .*authentication failed|invalid credentials/i,
    means: ({ broker, user }) =>
      `Kafka at ${broker} does not let ${user} in: it has no such user, or another password than KAFKA_SASL_PASSWORD (or the file of KAFKA_SASL_PASSWORD_FILE)`,
  },
  {
    said: /SASL .*mechanism is not supported/i,
    means: ({ broker }) => `Kafka at ${broker} knows other ways to log in than KAFKA_SASL_MECHANISM`,
  },
  {
    said: /does not match certificate's altnames/i,
    means: ({ broker }, said) =>
      `The certificate of Kafka at ${broker} is for other names: ${said.split('altnames: ').at(-1)} Connect by one of its names (KAFKA_BROKERS, advertised.listeners), or give it this one`,
  },
  {
    said: /certificate has expired|certificate is not yet valid/i,
    means: ({ broker }, said) =>
      `The certificate of Kafka at ${broker} does not hold now (${said}): renew it, or look at the clocks`,
  },
  {
    said: /unable to verify the first certificate|self-signed certificate|unable to get (local )?issuer certificate/i,
    means: ({ broker }) =>
      `The certificate of Kafka at ${broker} is of no authority that is trusted here: see KAFKA_SSL_CA_FILE`,
  },
  {
    said: /(topic|group|cluster) authorization failed/i,
    means: ({ user }, said) =>
      `Kafka does not allow ${user} what it needs (${said}): "bongsu access plan" shows what is missing`,
  },
];

/** The refusal behind a line of kafkajs, in words that say what to change; undefined when it is something else. */
export function refusalIn(
  said: string,
  { broker = 'its address', user = 'a client without a name' }: Asked,
): string | undefined {
  return REFUSALS.find((each) => each.said.test(said))?.means({ broker, user }, said);
}

/** Whether the broker has refused the log-in: no try soon will be another one's. */
export const isLoginRefused = (error: unknown): boolean =>
  error instanceof Error && error.name === 'KafkaJSSASLAuthenticationError';
