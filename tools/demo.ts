import { StackClient, Unreachable } from './demo/stack-client.ts';
import { runDemo } from './demo/story.ts';
import { DemoReceiver } from './demo/receiver.ts';

// `npm run demo`: sends a handful of notifications to a running stack and shows their timelines as they happen.
const receiver = await DemoReceiver.start();
try {
  process.exitCode = await runDemo(StackClient.fromEnvironment(process.env), receiver);
} catch (error) {
  if (!(error instanceof Unreachable)) throw error;
  console.error(
    `${error.message}\n\nThe demo needs a running stack: start one with "npm start", then run it in another terminal.`,
  );
  process.exitCode = 1;
} finally {
  await receiver.stop();
}
