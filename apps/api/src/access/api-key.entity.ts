import type { Scope } from '@bongsu/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An API key as it is kept: its hash, never the key. Revoked ones stay, so that a listing can say when. */
@Entity('api_keys')
export class ApiKey {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  tenant!: string;

  @Column('text')
  name!: string;

  /** SHA-256 of the key, hexadecimal. */
  @Column('text')
  hash!: string;

  @Column('text', { array: true })
  scopes!: Scope[];

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt!: Date | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;

  /** When the row last changed, by the database's clock: replicas look for what is new by it. */
  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;
}
