import { defineCommand, type CommandDef } from 'citty';
import { verify } from './verify.js';

export const audit = defineCommand({
  meta: { name: 'audit', description: 'The record that nobody can quietly change' },
  subCommands: { verify },
}) as CommandDef;
