import type { LeasedDelivery } from '../ledger/delivery.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Shards } from '../ledger/shards.js';
import type { Dispatcher } from './dispatcher.js';

interface Parts {
  readonly ledger: Pick<Ledger, 'giveBack'>;
  readonly shards: Pick<Shards, 'isTaken'>;
  readonly dispatcher: Pick<Dispatcher, 'add'>;
}

/**
 * Hands to the dispatcher what has just been leased, as far as it is of shards that this worker still has. The rest goes back to
 * the ledger: a shard may be lost while the statement is under way, what is older has been given back then, and would be overtaken.
 * To be called within work about these shards (`Shards`), which is over before one of them is taken over again.
 */
export async function startOwned(
  { ledger, shards, dispatcher }: Parts,
  leased: readonly LeasedDelivery[],
  isReserved?: (delivery: LeasedDelivery) => boolean,
): Promise<void> {
  const { own = [], lost = [] } = Object.groupBy(leased, ({ shard }) => (shards.isTaken(shard) ? 'own' : 'lost'));
  dispatcher.add(own, isReserved);
  await ledger.giveBack(lost.map(({ id }) => id));
}
