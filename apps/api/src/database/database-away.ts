import { BongsuError } from '@bongsu/contracts';
import { isInfrastructureError } from '@bongsu/persistence';

/** A database that is away is no fault of ours or the caller's: 503, and worth trying again. */
export const databaseAway = (error: unknown): BongsuError | undefined =>
  isInfrastructureError(error) ? new BongsuError('database_unavailable', undefined, { cause: error }) : undefined;
