/** What the chart has to know of a setting. */
export interface ChartSetting {
  readonly name: string;
  /** Secret ones come from a Secret, and may not be among the plain settings. */
  readonly secret: boolean;
}

export interface ChartSettings {
  readonly services: Readonly<Record<'api' | 'notification' | 'audit', readonly ChartSetting[]>>;
  /** Of `topics apply`, beside those of Kafka. */
  readonly topics: readonly string[];
}

/** The chart sets these by itself. */
const OF_THE_CHART = new Set(['PORT', 'MANAGEMENT_PORT']);

const string = { type: 'string' } as const;
const boolean = { type: 'boolean' } as const;
const count = { type: 'integer', minimum: 1 } as const;
const free = { type: 'object' } as const;
const texts = { type: 'array', items: string } as const;
const peers = { type: 'array', items: free } as const;
const closed = (properties: object, required: readonly string[] = []): object => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...(required.length > 0 ? { required } : {}),
});
/** Texts, as variables are: a number such as 30000000 would arrive as 3e+07. */
const variables = (names: readonly string[]): object =>
  closed(Object.fromEntries([...new Set(names)].toSorted().map((name) => [name, string])));

const plain = (settings: readonly ChartSetting[]): string[] =>
  settings.filter(({ name, secret }) => !secret && !OF_THE_CHART.has(name)).map(({ name }) => name);

/** The chart's values.schema.json: it refuses settings that a service does not have, and secrets that are written down. */
export function chartSchema({ services, topics }: ChartSettings): object {
  const all = Object.values(services);
  const shared = plain(all[0] ?? []).filter((name) =>
    all.every((settings) => settings.some((each) => each.name === name)),
  );
  const service = (name: keyof ChartSettings['services']): object => {
    const key = {
      type: 'array',
      items: { enum: services[name].filter(({ secret }) => secret).map((each) => each.name) },
    };
    const http = name === 'notification' ? {} : { service: SERVICE, ingress: INGRESS };
    return closed({
      replicas: { type: 'integer', minimum: 0 },
      existingSecret: { type: 'string', minLength: 1 },
      secretKeys: closed({ required: key, optional: key }),
      settings: variables(plain(services[name])),
      ...(name === 'audit' ? { checkpointClaim: string } : {}),
      resources: free,
      ...http,
      autoscaling: AUTOSCALING,
      disruptionBudget: closed({ enabled: boolean, maxUnavailable: { type: ['integer', 'string'] } }),
      podAnnotations: free,
      nodeSelector: free,
      tolerations: peers,
      affinity: free,
    });
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart bongsu',
    ...closed({
      global: free,
      image: closed({
        registry: string,
        repository: string,
        tag: string,
        pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
        pullSecrets: texts,
      }),
      settings: variables(shared),
      kafkaCertificates: closed({ existingSecret: string, clientCertificate: boolean }),
      prepare: closed({
        enabled: boolean,
        topics: closed({ settings: variables([...topics, ...shared]), existingSecret: string }),
        deadlineSeconds: count,
      }),
      api: service('api'),
      notification: service('notification'),
      audit: service('audit'),
      partitions: count,
      monitoring: closed({
        podMonitor: closed({ enabled: boolean, interval: string, labels: free }),
        rules: closed({ enabled: boolean, labels: free, files: texts }),
      }),
      networkPolicy: closed({ enabled: boolean, clients: peers, monitoring: peers, egress: peers }),
    }),
  };
}

const SERVICE = closed({ type: string, port: { type: 'integer', minimum: 1, maximum: 65_535 }, annotations: free });
const INGRESS = closed({ enabled: boolean, className: string, annotations: free, host: string, tlsSecret: string });
const AUTOSCALING = closed({
  enabled: boolean,
  minReplicas: count,
  maxReplicas: count,
  cpu: { type: 'integer', minimum: 1, maximum: 100 },
  lag: closed({ by: { enum: ['none', 'external', 'keda'] }, records: count, kedaAuthentication: string }),
});
