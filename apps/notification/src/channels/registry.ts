import type { Settings } from '@bongsu/config';
import { BOOTSTRAP_IDENTITY } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { SmtpProvider } from './email/smtp-provider.js';
import { LogProvider } from './log/log-provider.js';
import type { Provider, ProviderRegistry } from './provider.js';
import type { CHANNEL_SETTINGS } from './settings.js';
import { AddressGuard } from './webhook/address-guard.js';
import { WebhookProvider } from './webhook/webhook-provider.js';

/** Every provider there is: a new one is a folder and a line here (docs/guides/add-a-provider.md). */
export function createProviders(settings: Settings<typeof CHANNEL_SETTINGS>, logger: Logger): ProviderRegistry {
  const providers: Provider[] = [
    ...settings.SMTP_URL.map((url) => new SmtpProvider({ url, from: settings.SMTP_FROM })),
    new WebhookProvider({
      guard: new AddressGuard(settings.WEBHOOK_ALLOWED_NETWORKS),
      secretOf: (tenant) => (tenant === BOOTSTRAP_IDENTITY.tenant ? settings.WEBHOOK_SIGNING_SECRET : undefined),
    }),
    new LogProvider(logger),
  ];
  const byChannel = Map.groupBy(providers, ({ channel }) => channel as string);
  return {
    of: (channel) => byChannel.get(channel) ?? [],
    close: async () => void (await Promise.all(providers.map((provider) => provider.close?.()))),
  };
}
