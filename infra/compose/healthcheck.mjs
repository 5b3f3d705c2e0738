// Ends with 0 when the service in this container says that it is ready. Uses Node alone: the image has no curl.
import { get } from 'node:http';

const DEFAULTS = { api: 9464, notification: 9465, audit: 9466 };
const port = process.env.MANAGEMENT_PORT || DEFAULTS[process.env.BONGSU_APP];

get({ host: '127.0.0.1', port, path: '/health/ready', timeout: 4_000 }, (answer) => {
  answer.resume();
  process.exitCode = answer.statusCode === 200 ? 0 : 1;
})
  .on('timeout', function giveUp() {
    this.destroy();
  })
  .on('error', () => {
    process.exitCode = 1;
  });
