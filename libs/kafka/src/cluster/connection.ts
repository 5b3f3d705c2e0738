import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import type { KAFKA_SETTINGS, Settings } from '@bongsu/config';
import type { Logger } from '@bongsu/observability';
import type { Kafka as KafkaClient, KafkaConfig, LogEntry, RetryOptions, SASLOptions } from 'kafkajs';
import { Kafka, logLevel } from './kafkajs.js';
import { kafkaLogCreator } from './log.js';

export type KafkaSettings = Settings<typeof KAFKA_SETTINGS>;

/**
 * Rides out the death of a leader (kafka-client notes, point 4): short waits between tries, for as long as it takes.
 * Sends resume in 6–9 s after `kill -9` of a leader with brokers whose `zookeeper.session.timeout.ms` is 6 s.
 */
export const RIDE_OUT: RetryOptions = {
  initialRetryTime: 100,
  maxRetryTime: 1_000,
  factor: 0.2,
  multiplier: 2,
  retries: Number.MAX_SAFE_INTEGER,
};

/** For questions whose asker has its own loop: a handful of quick tries. */
export const ASK_BRIEFLY: RetryOptions = { ...RIDE_OUT, maxRetryTime: 500, retries: 2 };

/** Milliseconds. A leader that is stopped, not dead, answers nothing: this is what it costs to notice. */
export const REQUEST_TIMEOUT_MS = 4_000;
const CONNECTION_TIMEOUT_MS = 2_000;

export interface ConnectionOptions {
  readonly settings: KafkaSettings;
  readonly clientId: string;
  readonly logger: Logger;
  readonly retry: RetryOptions;
  /** Default REQUEST_TIMEOUT_MS. */
  readonly requestTimeoutMs?: number;
  readonly onLogEntry?: (entry: LogEntry) => void;
}

/**
 * A kafkajs client whose connections can be cut. kafkajs has no way to give up a request: a discarded client would go
 * on trying in the background and could deliver an old batch after newer ones. `cut()` destroys its sockets, refuses
 * new ones and freezes its search for brokers, so nothing of it reaches Kafka any more and no timer is left.
 */
export class KafkaConnection {
  readonly kafka: KafkaClient;
  readonly #sockets = new Set<net.Socket>();
  /** What rejects the calls that are under way. */
  readonly #calls = new Set<(error: Error) => void>();
  #cut = false;

  constructor(options: ConnectionOptions) {
    const { settings } = options;
    const config: KafkaConfig = {
      clientId: options.clientId,
      brokers: () => (this.#cut ? new Promise<string[]>(() => undefined) : settings.KAFKA_BROKERS),
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      enforceRequestTimeout: true,
      retry: options.retry,
      logLevel: logLevel.INFO,
      logCreator: kafkaLogCreator(options.logger, {
        user: settings.KAFKA_SASL_USERNAME,
        onEntry: options.onLogEntry,
      }),
      socketFactory: (target) => this.#open(target),
      ...transportSecurity(settings),
    };
    this.kafka = new Kafka(config);
  }

  /** The call's outcome, or a rejection as soon as the connection is cut: kafkajs itself might then never answer. */
  run<T>(call: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Before anything else: a failure that nobody takes would end the process.
      void call.then(resolve, reject).finally(() => this.#calls.delete(reject));
      if (this.#cut) reject(discarded());
      else this.#calls.add(reject);
    });
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy(discarded());
    for (const reject of this.#calls) reject(discarded());
    this.#calls.clear();
  }

  #open({ host, port, ssl, onConnect }: Parameters<NonNullable<KafkaConfig['socketFactory']>>[0]): net.Socket {
    if (this.#cut) throw discarded();
    const socket = ssl
      ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

const discarded = (): Error => new Error('This Kafka client was discarded');

const file = (path: string | undefined): string | undefined => path && readFileSync(path, 'utf8');

function transportSecurity(settings: KafkaSettings): Pick<KafkaConfig, 'ssl' | 'sasl'> {
  const ca = file(settings.KAFKA_SSL_CA_FILE);
  const cert = file(settings.KAFKA_SSL_CERT_FILE);
  const key = file(settings.KAFKA_SSL_KEY_FILE);
  const ssl = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
  const sasl = login(settings);
  return { ...(settings.KAFKA_SSL ? { ssl } : {}), ...(sasl ? { sasl } : {}) };
}

function login(settings: KafkaSettings): SASLOptions | undefined {
  const mechanism = settings.KAFKA_SASL_MECHANISM;
  if (!mechanism) return undefined;
  const username = settings.KAFKA_SASL_USERNAME;
  const password = settings.KAFKA_SASL_PASSWORD;
  if (!username || !password) throw new Error('KAFKA_SASL_MECHANISM needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD');
  return { mechanism, username, password };
}

/** The `type` that kafkajs gives to an error that a broker answered (`MESSAGE_TOO_LARGE`, …), looked for in its causes. */
export function brokerErrorType(error: unknown): string | undefined {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    const type = (each as { type?: unknown }).type;
    if (typeof type === 'string') return type;
  }
  return undefined;
}
