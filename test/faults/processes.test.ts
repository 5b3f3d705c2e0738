import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { processesWith } from './processes.js';

it('finds what a process has started and left behind, by the environment that both have', async () => {
  const variable = `KAFKA_TOPIC_PREFIX=leak-${process.pid}.`;
  const [name, value] = variable.split('=') as [string, string];
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!'], { env: { ...process.env, [name]: value } });
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  onTestFinished(() => void process.kill(Number(pid), 'SIGKILL'));
  await once(parent, 'exit');
  expect(processesWith(variable)).toEqual([Number(pid)]);
  expect(processesWith(`${variable}x`)).toEqual([]);
});
