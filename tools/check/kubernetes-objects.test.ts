import { describe, expect, it } from 'vitest';
import { schemaProblems } from './kubernetes-objects.ts';

const deployment = (container: object, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'a', labels: { 'free.example.org/name': 'x' } },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'a', image: 'a', ...container }], ...spec },
    },
  },
});

describe('the schemas of Kubernetes', () => {
  it('take what is right, names that are free and numbers that may be texts included', async () => {
    expect(
      await schemaProblems(
        deployment({
          ports: [{ containerPort: 1 }],
          livenessProbe: { httpGet: { path: '/', port: 'http' } },
          resources: { limits: { memory: '1Mi' } },
        }),
      ),
    ).toEqual([]);
  });

  it.each([
    ['a field that is misspelt', deployment({ livenesProbe: {} }), /containers\/0\/livenesProbe is no field/],
    ['one deep down', deployment({ ports: [{ containerPort: 1, hostport: 2 }] }), /ports\/0\/hostport is no field/],
    ['one of the pod', deployment({}, { terminationGraceSeconds: 3 }), /terminationGraceSeconds is no field/],
    ['a wrong type', deployment({ ports: [{ containerPort: 'http' }] }), /ports\/0\/containerPort/],
    ['a field that is missing', deployment({ name: undefined }), /containers\/0/],
    ['an unknown kind', { ...deployment({}), kind: 'Deploymint' }, /no schema is known/],
  ])('refuse %s', async (_, object, message) => {
    const problems = await schemaProblems(JSON.parse(JSON.stringify(object)) as typeof object);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
  });
});
