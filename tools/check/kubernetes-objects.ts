interface SchemaError {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
  readonly params: unknown;
}
/** A schema as ajv compiles it. */
interface Validator {
  (data: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** Read as files: not each of the packages exports them. */
const PACKAGES = new URL('../../node_modules/', import.meta.url);
const OPERATOR = 'ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1';

/** Where the schema of each kind is that the chart makes, by apiVersion and kind. A kind that is not here is a problem. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'v1/Service': 'kubernetes-models/_schemas/IoK8sApiCoreV1Service',
  'v1/ServiceAccount': 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount',
  'v1/ConfigMap': 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap',
  'apps/v1/Deployment': 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment',
  'batch/v1/Job': 'kubernetes-models/_schemas/IoK8sApiBatchV1Job',
  'policy/v1/PodDisruptionBudget': 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget',
  'autoscaling/v2/HorizontalPodAutoscaler': 'kubernetes-models/_schemas/IoK8sApiAutoscalingV2HorizontalPodAutoscaler',
  'networking.k8s.io/v1/Ingress': 'kubernetes-models/_schemas/IoK8sApiNetworkingV1Ingress',
  'networking.k8s.io/v1/NetworkPolicy': 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy',
  'keda.sh/v1alpha1/ScaledObject':
    '@kubernetes-models/keda/_schemas/ComGithubKedacoreKedaV2ApisKedaV1alpha1ScaledObject',
  'monitoring.coreos.com/v1/PodMonitor': `@kubernetes-models/prometheus-operator/_schemas/${OPERATOR}PodMonitor`,
  'monitoring.coreos.com/v1/PrometheusRule': `@kubernetes-models/prometheus-operator/_schemas/${OPERATOR}PrometheusRule`,
};

/** What is wrong with an object by the schema of its kind, unknown fields included; one line each. */
export async function schemaProblems(object: KubernetesObject): Promise<string[]> {
  const kind = `${object.apiVersion}/${object.kind}`;
  const where = `${object.kind} ${object.metadata.name}`;
  const path = SCHEMAS[kind];
  if (path === undefined) return [`${where}: no schema is known for ${kind}`];
  const { validate } = (await import(String(new URL(`${path}.js`, PACKAGES)))) as { validate: Validator };
  const asked = new Map<object, Set<string>>();
  if (!validate(watched(object, asked)))
    return (validate.errors ?? []).map(
      (error) =>
        `${where}: ${error.instancePath || '/'} ${error.message ?? `${error.keyword} ${JSON.stringify(error.params)}`}`,
    );
  return unasked(object, asked, '').map((field) => `${where}: ${field} is no field that Kubernetes knows`);
}

/**
 * The schemas that Kubernetes publishes let any unknown field pass, and a misspelt one would be dropped by the API server in
 * silence. So this hands the validator objects that note which fields it asks for: it asks for all that it knows.
 */
function watched<T>(value: T, asked: Map<object, Set<string>>): T {
  if (typeof value !== 'object' || value === null) return value;
  const fields = new Set<string>();
  asked.set(value, fields);
  const wrapped = new Map<string, unknown>();
  return new Proxy(value, {
    get(target, field) {
      const found: unknown = Reflect.get(target, field);
      if (typeof field !== 'string') return found;
      fields.add(field);
      if (!wrapped.has(field)) wrapped.set(field, watched(found, asked));
      return wrapped.get(field);
    },
    // A map with free names is walked through.
    ownKeys(target) {
      for (const field of Object.keys(target)) fields.add(field);
      return Reflect.ownKeys(target);
    },
  });
}

function unasked(value: unknown, asked: ReadonlyMap<object, ReadonlySet<string>>, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const fields = asked.get(value);
  // Never looked at: the field itself has been named, or its schema leaves open what is in it.
  if (fields === undefined) return [];
  return Object.entries(value).flatMap(([field, inner]) => {
    const at = `${path}/${field}`;
    if (!Array.isArray(value) && !fields.has(field)) return [at];
    return unasked(inner, asked, at);
  });
}
