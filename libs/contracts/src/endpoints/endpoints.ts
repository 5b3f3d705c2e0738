import { hash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { CHANNELS, type Channel } from '../notifications/status.js';
import { contract } from '../schema/schema.js';

const endpoint = {
  tenant: Type.String({ minLength: 1, maxLength: 64 }),
  channel: Type.Unsafe<Channel>({ type: 'string', enum: CHANNELS }),
  // Longer than a request may give: the URL parser escapes, so that what it makes of a URL may be three times as long and more.
  endpoint: Type.String({ minLength: 1, maxLength: 16_384, description: 'As `endpointUrl` spells it' }),
};
const open = { additionalProperties: true } as const;

/** An endpoint is to be called again, on the commands topic. It answers the `disabled` fact of that version and no other one. */
export const EnableRequested = contract(
  Type.Object(
    {
      ...endpoint,
      version: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Of the fact that disabled it' }),
      requestedAt: Type.String({ format: 'date-time' }),
      requestedBy: Type.String({ minLength: 1, maxLength: 128, description: "The API key's id" }),
    },
    { ...open, title: 'EnableRequested' },
  ),
);
export type EnableRequested = Static<typeof EnableRequested.schema>;

/** An endpoint was disabled, because it answered that it is gone, or enabled, because somebody asked for it. */
export const EndpointFact = contract(
  Type.Object(
    {
      ...endpoint,
      version: Type.Integer({
        minimum: 1,
        maximum: 2_147_483_647,
        description: 'Grows with each fact of an endpoint; the highest is the truth',
      }),
      at: Type.String({ format: 'date-time' }),
      deliveryId: Type.String({ format: 'uuid', description: 'The delivery by which it was last disabled' }),
    },
    { ...open, title: 'EndpointFact' },
  ),
);
export type EndpointFact = Static<typeof EndpointFact.schema>;

/**
 * The one spelling of a URL that is called (WHATWG URL, without the fragment, which is never sent), so that whatever spelling
 * a request has, what is known of the endpoint is found. Undefined for what is no URL.
 */
export function endpointUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url) return undefined;
  url.hash = '';
  return url.href;
}

/** SHA-256 of an endpoint, hexadecimal: an index takes no text of any length. */
export const endpointHash = (url: string): string => hash('sha256', url, 'hex');

/** The key of the records about an endpoint: they are in order among themselves. */
export const endpointKey = (tenant: string, channel: string, url: string): string =>
  `${tenant}/${channel}:${endpointHash(url)}`;
