import { Webhook } from 'standardwebhooks';

/** 128 bits: what can be guessed below that is not a signature. The specification recommends 192 to 512. */
const MIN_BYTES = 16;
const MAX_BYTES = 512;
const SECRET = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;

/** Whether a text is a symmetric secret of Standard Webhooks: `whsec_` and 16 to 512 bytes in base64. */
export function isSigningSecret(text: string): boolean {
  const bytes = Buffer.from(SECRET.exec(text)?.[1] ?? '', 'base64').length;
  return bytes >= MIN_BYTES && bytes <= MAX_BYTES;
}

/**
 * The headers of Standard Webhooks (https://www.standardwebhooks.com): the delivery's id, which is the same in every attempt, the
 * time of this attempt, and the signature over both and the body.
 */
export function signatureHeaders(secret: string, deliveryId: string, now: Date, body: string): Record<string, string> {
  return {
    'webhook-id': deliveryId,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(deliveryId, now, body),
  };
}
