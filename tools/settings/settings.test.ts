import { join } from 'node:path';
import { format } from 'prettier';
import { expect, test } from 'vitest';
import { KAFKA_SETTINGS, type SettingsSpec } from '@bongsu/config';
import { TOPIC_SETTINGS } from '@bongsu/kafka';
import { API_SETTINGS } from '../../apps/api/src/settings.ts';
import { AUDIT_SETTINGS } from '../../apps/audit/src/settings.ts';
import { NOTIFICATION_SETTINGS } from '../../apps/notification/src/settings.ts';
import { chartSchema } from './chart-schema.ts';
import { settingsPage, type DescribedSetting } from './settings-page.ts';

/** Files that are made from the settings in the code. `-u` writes them anew; without it the test fails when they differ. */

const ROOT = join(import.meta.dirname, '..', '..');
const STYLE = { printWidth: 120, singleQuote: true } as const;
const SPECS: Readonly<Record<string, SettingsSpec>> = {
  api: API_SETTINGS,
  notification: NOTIFICATION_SETTINGS,
  audit: AUDIT_SETTINGS,
  bongsu: { ...KAFKA_SETTINGS, ...TOPIC_SETTINGS },
};

/** By name; one that services describe in different ways is there for each of them. */
function described(): DescribedSetting[] {
  const found = new Map<string, DescribedSetting & { by: string[] }>();
  for (const [by, spec] of Object.entries(SPECS)) {
    for (const [name, { description, fallback, secret = false }] of Object.entries(spec)) {
      // Defaults that are the same but for the service's own name are shown as those of the local stack.
      const key = JSON.stringify([name, secret ? '' : description, secret ? '' : fallback]);
      const known = found.get(key);
      if (known) known.by.push(by);
      else
        found.set(key, {
          name,
          description: name === 'DATABASE_URL' ? "the service's database" : description,
          fallback,
          secret,
          by: [by],
        });
    }
  }
  return [...found.values()];
}

test('docs/settings.md has every setting', async () => {
  const all = described();
  const services = ['api', 'notification', 'audit'];
  const shared = all.filter(({ by }) => services.every((service) => by.includes(service)));
  const only = (service: string) => all.filter((each) => !shared.includes(each) && each.by.includes(service));
  const sections = [
    { title: 'Every service', settings: shared },
    ...['api', 'notification', 'audit', 'bongsu'].map((name) => ({
      title: name === 'bongsu' ? 'The command line, for Kafka' : `The service ${name}`,
      settings: only(name),
    })),
  ];
  await expect(await format(settingsPage(sections), { ...STYLE, parser: 'markdown' })).toMatchFileSnapshot(
    join(ROOT, 'docs', 'settings.md'),
  );
});

test('values.schema.json of the chart knows every setting, and no other', async () => {
  const names = (spec: SettingsSpec) => Object.entries(spec).map(([name, { secret = false }]) => ({ name, secret }));
  const schema = chartSchema({
    services: { api: names(API_SETTINGS), notification: names(NOTIFICATION_SETTINGS), audit: names(AUDIT_SETTINGS) },
    topics: Object.keys(TOPIC_SETTINGS),
  });
  await expect(await format(JSON.stringify(schema), { ...STYLE, parser: 'json' })).toMatchFileSnapshot(
    join(ROOT, 'deploy/helm/bongsu/values.schema.json'),
  );
});
