import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { findHelm, render } from './helm.ts';
import type { Job } from './jobs.ts';
import { schemaProblems, type KubernetesObject } from './kubernetes-objects.ts';

const CHART = 'deploy/helm/bongsu';

/** What must not be rendered, and what helm must say about it. */
const REFUSED: readonly (readonly [args: string, message: RegExp])[] = [
  ['', /KAFKA_BROKERS/],
  ['--set settings.KAFKA_BROKERS=k:9092 --set settings.LOG_LEVELS=info', /LOG_LEVELS/],
  ['--set settings.KAFKA_BROKERS=k:9092 --set api.settings.DATABASE_URL=postgres://a', /DATABASE_URL/],
  [
    '--set settings.KAFKA_BROKERS=k:9092 --set notification.autoscaling.enabled=true --set notification.autoscaling.maxReplicas=9',
    /more replicas would have nothing to read/,
  ],
];

/**
 * The Helm chart, rendered with each file of its folder ci/ and held against the schemas of Kubernetes, the Prometheus
 * operator and KEDA. Without helm the check says that it was not made; in CI that is a failure.
 */
export function helmChart(root: string): Job {
  return {
    name: 'helm chart',
    run: async () => {
      const helm = await findHelm(join(root, 'node_modules', '.cache', 'helm'));
      if (helm === undefined)
        return process.env['CI']
          ? { ok: false, output: 'helm is missing' }
          : { ok: true, output: '', note: 'not made: helm is missing' };
      const chart = join(root, CHART);
      const problems: string[] = [];
      for (const values of globSync('ci/*.yaml', { cwd: chart }).toSorted()) {
        const objects = objectsIn(await render(helm, chart, ['--values', join(chart, values)]));
        if (objects.length === 0) problems.push(`${values}: nothing is rendered`);
        for (const object of objects)
          problems.push(...(await schemaProblems(object)).map((problem) => `${values}: ${problem}`));
        problems.push(...twice(objects).map((name) => `${values}: ${name} is there twice`));
      }
      for (const [args, message] of REFUSED) {
        const said = await render(helm, chart, args.split(' ').filter(Boolean)).then(
          () => 'nothing',
          (error: unknown) => String(error),
        );
        if (!message.test(said)) problems.push(`helm template ${args}: is not refused, but says ${said}`);
      }
      return { ok: problems.length === 0, output: problems.join('\n') };
    },
  };
}

function objectsIn(text: string): KubernetesObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(String(document.errors[0]));
    const object = document.toJS() as KubernetesObject | null;
    return object === null ? [] : [object];
  });
}

function twice(objects: readonly KubernetesObject[]): string[] {
  const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
