import type { Setting } from '@bongsu/config';
import type { Provider } from '../channels/provider.js';
import type { GateLimits } from './schedule/gate.js';

/** What is set for one name: a channel, a provider, or one of them with `/<destination>`. */
export type ProviderLimits = ReadonlyMap<string, GateLimits>;

const ENTRY = /^([^=\s]+)=(\d{1,6}(?:\.\d{1,3})?)(\/s)?$/;

/**
 * `<name>=<calls at the same time>` and `<name>=<calls per second>/s`, comma-separated. A name is a channel (`email`), a
 * provider as metrics call it, or either with a destination (`webhook/api.example.org`). Per process of the service.
 */
export const providerLimits = (description: string): Setting<ProviderLimits> => ({
  description,
  fallback: '',
  parse(text) {
    const limits = new Map<string, GateLimits>();
    for (const entry of text.split(',').map((each) => each.trim())) {
      if (entry === '') continue;
      const match = ENTRY.exec(entry);
      const value = Number(match?.[2]);
      if (!match || value <= 0) throw new Error('must be entries such as email=20 or webhook/api.example.org=5/s');
      const isRate = match[3] !== undefined;
      if (!isRate && !Number.isInteger(value)) throw new Error(`must have a whole number of calls in ${entry}`);
      const name = match[1]!;
      limits.set(name, { ...limits.get(name), ...(isRate ? { ratePerSecond: value } : { concurrency: value }) });
    }
    return limits;
  },
});

/** The limits of a provider's destination: of what is set, the most particular. */
export function limitsOf(limits: ProviderLimits, { name, channel }: Provider, destination: string): GateLimits {
  const names = [channel, name, `${channel}/${destination}`, `${name}/${destination}`];
  return Object.assign({}, ...names.map((each) => limits.get(each))) as GateLimits;
}

/** Throws when something is set for a name that no channel or provider has: it would be without effect, in silence. */
export function assertNamed(
  setting: string,
  names: Iterable<string>,
  providers: readonly Provider[],
  { destinations }: { destinations: boolean },
): void {
  const known = new Set(providers.flatMap(({ name, channel }) => [name, channel]));
  for (const name of names) {
    if (known.has(name)) continue;
    // A provider's own name may hold a slash; what follows the last one is then a destination.
    if (destinations && name.includes('/') && known.has(name.slice(0, name.lastIndexOf('/')))) continue;
    throw new Error(`${setting} names ${name}, which is none of ${[...known].join(', ')}`);
  }
}
