import { domainToASCII } from 'node:url';

/** RFC 5322's dot-atom: no quoting, no comments, no blanks. 64 characters (RFC 5321, section 4.5.3.1.1). */
const LOCAL_PART = /^(?=.{1,64}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
/** What may stand in a domain before it is brought into its ASCII form; a URL's host allows more (ports, escapes, brackets). */
const DOMAIN = /^[A-Za-z0-9.\-\u00a1-\u{10ffff}]{1,253}$/u;
/** Labels of up to 63 characters, at least two of them, the last one not a number: an IP address is not a mail domain. */
const ASCII_DOMAIN =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Whether a text is an address that mail can be sent to; its domain may be an internationalised one (IDNA, UTS #46). */
export function isEmailAddress(text: string): boolean {
  const at = text.lastIndexOf('@');
  return at > 0 && LOCAL_PART.test(text.slice(0, at)) && isDomain(text.slice(at + 1));
}

function isDomain(domain: string): boolean {
  // Most are plain ASCII, for which asking ICU would cost more than all the rest of the check.
  if (ASCII_DOMAIN.test(domain) && !/xn--/i.test(domain)) return true;
  return DOMAIN.test(domain) && ASCII_DOMAIN.test(domainToASCII(domain));
}
