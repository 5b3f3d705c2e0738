import { EXIT } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { printable } from '../command-line/output.js';
import { call } from '../http/client.js';
import { auditEndpoint } from '../settings.js';

export const key = leaf({
  name: 'key',
  description: 'Show the public keys that checkpoints are verified with, the one that signs first',
  args: {},
  async run({ output }) {
    const { body } = await call<{ keys?: unknown }>(auditEndpoint(), { path: '/v1/audit/keys' });
    const keys = keysIn(body.keys);
    const [signing, ...older] = keys;
    output.result({ keys }, keys.map(printable).join('\n'));
    if (signing === undefined) {
      output.note('The service has no key: it signs no checkpoints (AUDIT_SIGNING_KEY)');
      return EXIT.failed;
    }
    if (older.length > 0) output.note('The first key signs; announcements bind the others to it');
    return EXIT.ok;
  },
});

function keysIn(keys: unknown): string[] {
  if (!Array.isArray(keys) || !keys.every((each) => typeof each === 'string'))
    throw new Error('The answer is not a list of keys');
  return keys;
}
