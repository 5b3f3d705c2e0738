import type { Golden, GoldenEvent } from './corpus.ts';

/** API keys, who was refused, and who has read the audit trail. */
export function accessEvents(golden: Golden): GoldenEvent[] {
  const { at } = golden;
  const id = golden.id(400);
  const key = { id, tenant: 'default', name: '', hash: '0123456789abcdef'.repeat(4), scopes: [], createdAt: at };
  const asked = { service: 'api', method: 'POST', route: '/v1/notifications' };
  const refused = { ...asked, status: 401, remoteAddress: '127.0.0.1', count: 1, from: at, to: at };
  return [
    {
      name: 'access key: least',
      topic: 'access.keys.v1',
      key: id,
      event: golden.event(401, 'api', 'bongsu.access-key.changed.v1', id, key),
    },
    {
      name: 'access key: most',
      topic: 'access.keys.v1',
      key: id,
      event: golden.event(402, 'api', 'bongsu.access-key.changed.v1', id, {
        ...key,
        name: 'n'.repeat(128),
        scopes: ['notifications:write', 'notifications:read', 'audit:read', 'recipients:erase', 'admin'],
        expiresAt: at,
        revokedAt: at,
        changedBy: 'bootstrap',
      }),
    },
    {
      name: 'access log: unknown key',
      topic: 'access.log.v1',
      key: '-',
      event: golden.event(403, 'api', 'bongsu.access.refused.v1', '0123456789ab', {
        ...refused,
        tenant: '-',
        keyFingerprint: '0123456789ab',
      }),
    },
    {
      name: 'access log: key without the scope',
      topic: 'access.log.v1',
      key: 'default',
      event: golden.event(404, 'api', 'bongsu.access.refused.v1', id, {
        ...refused,
        status: 403,
        tenant: 'default',
        apiKeyId: id,
      }),
    },
    {
      name: 'access log: audit trail read',
      topic: 'access.log.v1',
      key: 'default',
      event: golden.event(405, 'audit', 'bongsu.audit.read.v1', 'bootstrap', {
        service: 'audit',
        method: 'GET',
        route: '/v1/audit/records',
        tenant: 'default',
        apiKeyId: 'bootstrap',
        parameters: { tenant: 'default' },
        requestId: golden.id(405),
        at,
      }),
    },
  ];
}
