import { ALL_TOPICS } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { AclEntry, Admin } from 'kafkajs';
import { ASK_BRIEFLY, KafkaConnection, type KafkaSettings } from '../cluster/connection.js';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from '../cluster/kafkajs.js';
import { lowLevelCluster, type LowLevelCluster } from '../cluster/low-level.js';
import { planAccess, rightsOf, type AccessPlan, type Right } from './rights.js';
import { alterScramCredentials, credentialOf, type RawBroker } from './scram.js';

type WithController = LowLevelCluster & { findControllerBroker(): Promise<RawBroker> };

const ANY_HOST = '*';

/** A right as the cluster has it; taken away as what it is there. */
export interface FoundRight extends Right {
  readonly acl: AclEntry;
}

/**
 * Gives the users of this system their passwords and their rights, as the table of topics has them. For a super user. Connects
 * by itself; `close` ends the connection.
 */
export class AccessAdmin {
  readonly #prefix: string;
  readonly #connection: KafkaConnection;
  #connected: Promise<Admin> | undefined;

  constructor(options: { settings: KafkaSettings; logger: Logger }) {
    this.#prefix = options.settings.KAFKA_TOPIC_PREFIX;
    this.#connection = new KafkaConnection({ ...options, clientId: 'bongsu-access', retry: ASK_BRIEFLY });
  }

  /** Compares what users may do with the table; changes nothing. */
  async plan(): Promise<AccessPlan<FoundRight>> {
    return planAccess(rightsOf(ALL_TOPICS, this.#prefix), await this.#find(), this.#prefix);
  }

  /** Gives what is missing; takes what is beyond the table only when asked to. */
  async apply({ missing, beyond }: AccessPlan<FoundRight>, { takeBeyond = false } = {}): Promise<void> {
    const admin = await this.#admin();
    if (missing.length > 0) await this.#connection.run(admin.createAcls({ acl: missing.map(entryOf) }));
    if (!takeBeyond || beyond.length === 0) return;
    const filters = beyond.map(({ acl }) => acl);
    await this.#connection.run(admin.deleteAcls({ filters }));
  }

  /** Sets users' passwords, by user. They hold from the next login on; connections that are open stay. */
  async setPasswords(passwords: ReadonlyMap<string, string>): Promise<void> {
    const credentials = await Promise.all([...passwords].map(([user, password]) => credentialOf(user, password)));
    const cluster = lowLevelCluster(this.#connection.kafka) as WithController;
    const work = async (): Promise<void> => {
      await cluster.connect();
      await cluster.refreshMetadata();
      await alterScramCredentials(await cluster.findControllerBroker(), credentials);
    };
    await this.#connection.run(work());
  }

  close(): void {
    this.#connection.cut();
  }

  async #find(): Promise<FoundRight[]> {
    const admin = await this.#admin();
    const { resources } = await this.#connection.run(
      admin.describeAcls({
        resourceType: AclResourceTypes.ANY,
        resourcePatternType: ResourcePatternTypes.ANY,
        operation: AclOperationTypes.ANY,
        permissionType: AclPermissionTypes.ANY,
      }),
    );
    return resources.flatMap(({ acls, ...resource }) => acls.map((acl) => foundRight({ ...resource, ...acl })));
  }

  #admin(): Promise<Admin> {
    return (this.#connected ??= (async () => {
      const admin = this.#connection.kafka.admin();
      await this.#connection.run(admin.connect());
      return admin;
    })());
  }
}

/** In the table's words where it is such a right, and in ones that are none of the table's where it is not. */
function foundRight(acl: AclEntry): FoundRight {
  const { resourceName, resourcePatternType, host } = acl;
  const operation = nameIn(AclOperationTypes, acl.operation);
  return {
    acl,
    user: acl.principal.replace(/^User:/, ''),
    resource: nameIn(AclResourceTypes, acl.resourceType).toLowerCase(),
    name: `${resourceName}${resourcePatternType === ResourcePatternTypes.LITERAL ? '' : '…'}${host === ANY_HOST ? '' : ` from ${host}`}`,
    operation: acl.permissionType === AclPermissionTypes.ALLOW ? operation : `DENY ${operation}`,
  };
}

const nameIn = (types: object, value: number): string =>
  Object.entries(types).find(([, each]) => each === value)?.[0] ?? String(value);

const entryOf = ({ user, resource, name, operation }: Right): AclEntry => ({
  principal: `User:${user}`,
  host: ANY_HOST,
  resourceType: resource === 'group' ? AclResourceTypes.GROUP : AclResourceTypes.TOPIC,
  resourceName: name,
  resourcePatternType: ResourcePatternTypes.LITERAL,
  operation: AclOperationTypes[operation as keyof typeof AclOperationTypes],
  permissionType: AclPermissionTypes.ALLOW,
});
