import { Mailbox } from './mailbox.ts';
import { smtpServer } from './smtp.ts';
import { webServer } from './web.ts';

/**
 * Catches every mail that is sent to it, and shows it. SMTP on SMTP_PORT (1025), the page and Mailpit's API on MAIL_PORT
 * (8025), both on MAIL_CATCHER_HOST (127.0.0.1).
 */
const host = process.env['MAIL_CATCHER_HOST'] ?? '127.0.0.1';
const mailbox = new Mailbox();
const smtp = smtpServer(mailbox);
const web = webServer(mailbox);

const fail = (error: Error): never => {
  console.error(`the mail catcher cannot listen: ${error.message}`);
  process.exit(1);
};
smtp.server.once('error', fail);
web.once('error', fail);
smtp.listen(Number(process.env['SMTP_PORT'] ?? 1025), host);
web.listen(Number(process.env['MAIL_PORT'] ?? 8025), host);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    web.close();
    web.closeAllConnections();
    smtp.close(() => process.exit(0));
  });
}
