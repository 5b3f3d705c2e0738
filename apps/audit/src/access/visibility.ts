import { allows, BongsuError, BOOTSTRAP_IDENTITY } from '@bongsu/contracts';
import type { CallerIdentity } from '@bongsu/http';

/** An administrator of the tenant that the system itself belongs to sees everything, records without a tenant included. */
export const isOperator = ({ tenant, scopes }: CallerIdentity): boolean =>
  tenant === BOOTSTRAP_IDENTITY.tenant && allows(scopes, 'admin');

/**
 * The tenant whose records the caller gets to see; undefined for all of them. Throws `forbidden` when another tenant's were
 * asked for.
 */
export function visibleTenant(caller: CallerIdentity, asked: string | undefined): string | undefined {
  if (isOperator(caller)) return asked;
  if (asked !== undefined && asked !== caller.tenant) {
    throw new BongsuError('forbidden', 'The API key sees the records of its own tenant');
  }
  return caller.tenant;
}

/** Throws `forbidden` for everybody but an operator: for what cannot be cut down to one tenant. */
export function requireOperator(caller: CallerIdentity): void {
  if (!isOperator(caller)) {
    throw new BongsuError('forbidden', `This takes an admin key of the tenant ${BOOTSTRAP_IDENTITY.tenant}`);
  }
}
