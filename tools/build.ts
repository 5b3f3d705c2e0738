import { buildApps } from './build/build-apps.ts';

const started = performance.now();
try {
  const built = await buildApps({ force: process.argv.includes('--force') });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(built.length === 0 ? 'everything is up to date' : `built ${built.join(', ')} in ${seconds} s`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
