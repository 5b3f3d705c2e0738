import { defineCommand, type CommandDef } from 'citty';
import { list, redrive } from './deliveries.js';
import { replay, show, topics } from './records.js';

export const deadLetters = defineCommand({
  meta: {
    name: 'dead-letters',
    description: 'What was given up: deliveries without attempts left, and poison records',
  },
  subCommands: { list, redrive, topics, show, replay },
}) as CommandDef;
