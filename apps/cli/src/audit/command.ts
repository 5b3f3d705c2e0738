import { defineCommand, type CommandDef } from 'citty';
import { key } from './key.js';
import { receipt } from './receipt.js';
import { verify } from './verify.js';

export const audit = defineCommand({
  meta: { name: 'audit', description: 'The record that nobody can quietly change' },
  subCommands: { verify, key, receipt },
}) as CommandDef;
