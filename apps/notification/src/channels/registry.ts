import type { Logger } from '@bongsu/observability';
import { smtpProviders } from './email/smtp/provider.js';
import { logProviders } from './log/provider.js';
import type { Provider, ProviderRegistry } from './provider.js';
import type { ChannelSettings } from './settings.js';
import { standardWebhooks } from './webhook/standard-webhooks/provider.js';

/** Every provider there is. Of those for one channel, the earlier one is preferred. A new one is a line here. */
const PROVIDERS: readonly ((settings: ChannelSettings, logger: Logger) => Provider[])[] = [
  smtpProviders,
  standardWebhooks,
  logProviders,
];

/** Sets up the providers; no connection is made before the first call. */
export function createProviders(settings: ChannelSettings, logger: Logger): ProviderRegistry {
  const providers = PROVIDERS.flatMap((create) => create(settings, logger));
  const byChannel = Map.groupBy(providers, ({ channel }) => channel as string);
  return {
    of: (channel) => byChannel.get(channel) ?? [],
    async close() {
      await Promise.all(providers.map(async (provider) => provider.close?.()));
    },
  };
}
