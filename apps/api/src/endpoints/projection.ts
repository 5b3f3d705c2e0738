import { ENDPOINT_DISABLED, endpointHash, type EndpointFact } from '@bongsu/contracts';
import type { Tx } from '@bongsu/persistence';
import type { Row } from '../status/rows.js';
import { UPSERT_ENDPOINTS } from './sql/endpoints.js';

/** Applies the newest fact of each endpoint. */
export async function upsertEndpoints(tx: Tx, rows: readonly Row<EndpointFact>[]): Promise<void> {
  const newest = new Map<string, Row<EndpointFact>>();
  for (const row of rows) {
    const name = `${row.data.tenant} ${row.data.channel} ${row.data.endpoint}`;
    const before = newest.get(name);
    if (!before || row.data.version > before.data.version) newest.set(name, row);
  }
  const facts = [...newest.values()];
  await tx.query(UPSERT_ENDPOINTS, [
    facts.map(({ data }) => data.tenant),
    facts.map(({ data }) => data.channel),
    facts.map(({ data }) => endpointHash(data.endpoint)),
    facts.map(({ data }) => data.endpoint),
    facts.map(({ data }) => data.version),
    facts.map(({ record, data }) => (record.event.type === ENDPOINT_DISABLED ? new Date(data.at) : null)),
    facts.map(({ data }) => data.deliveryId),
  ]);
}
