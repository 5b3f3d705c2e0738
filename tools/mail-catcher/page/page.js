// Everything of a mail is put into the page as text, never as markup; its HTML is shown in a sandboxed frame only.
const $ = (id) => document.getElementById(id);
let chosen;
let shown;
let view = 'html';
let shownList = '';

const people = (list) => list.map(({ Name, Address }) => (Name ? `${Name} <${Address}>` : Address)).join(', ');
const get = async (path) => {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
};

function element(name, className, text) {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

async function refresh() {
  const query = $('query').value.trim();
  const path = query ? `/api/v1/search?limit=200&query=${encodeURIComponent(query)}` : '/api/v1/messages?limit=200';
  const list = await (await get(path)).json();
  $('count').textContent = `${list.messages_count} mails, ${list.unread} unread`;
  $('empty').hidden = list.messages.length > 0 || chosen !== undefined;
  const now = JSON.stringify([chosen, list.messages.map(({ ID, Read }) => [ID, Read])]);
  // Built anew only when it differs: a list that is rebuilt every two seconds loses its scroll position and its focus.
  if (now === shownList) return;
  shownList = now;
  $('list').replaceChildren(...list.messages.map(entry));
}

function entry(message) {
  const button = element('button', message.Read ? '' : 'unread', '');
  button.setAttribute('aria-current', String(message.ID === chosen));
  button.append(
    element('span', 'title', message.Subject || '(no subject)'),
    element(
      'span',
      'meta',
      `${people([...message.To, ...message.Bcc])} · ${new Date(message.Created).toLocaleString()}`,
    ),
    element('span', 'snippet', message.Snippet),
  );
  button.addEventListener('click', () => void show(message.ID));
  return button;
}

async function show(id) {
  chosen = id;
  const message = await (await get(`/api/v1/message/${id}`)).json();
  $('mail').hidden = false;
  $('empty').hidden = true;
  $('subject').textContent = message.Subject || '(no subject)';
  const rows = [
    ['From', people([message.From])],
    ['To', people(message.To)],
    ['Cc', people(message.Cc)],
    ['Bcc', people(message.Bcc)],
    ['Message-ID', message.MessageID],
    ['Attachments', message.Attachments.map(({ FileName, Size }) => `${FileName} (${Size} bytes)`).join(', ')],
  ].filter(([, value]) => value);
  $('addresses').replaceChildren(
    ...rows.flatMap(([name, value]) => [element('dt', '', name), element('dd', '', value)]),
  );
  if (view === 'html' && !message.HTML) view = 'text';
  shown = message;
  await showPart();
  await refresh();
}

async function showPart() {
  const message = shown;
  for (const tab of document.querySelectorAll('[role=tab]')) {
    tab.setAttribute('aria-selected', String(tab.dataset.view === view));
    if (tab.dataset.view === 'html') tab.disabled = !message.HTML;
  }
  const id = message.ID;
  $('html').hidden = view !== 'html';
  $('plain').hidden = view === 'html';
  if (view === 'html') $('html').src = `/view/${id}.html`;
  if (view === 'text') $('plain').textContent = message.Text;
  if (view === 'raw') $('plain').textContent = await (await get(`/api/v1/message/${id}/raw`)).text();
  if (view === 'headers') {
    const headers = await (await get(`/api/v1/message/${id}/headers`)).json();
    $('plain').textContent = Object.entries(headers)
      .flatMap(([name, values]) => values.map((value) => `${name}: ${value}`))
      .join('\n');
  }
}

$('query').addEventListener('input', () => void refresh());
async function clear() {
  await fetch('/api/v1/messages', { method: 'DELETE' });
  chosen = undefined;
  $('mail').hidden = true;
  await refresh();
}
$('clear').addEventListener('click', () => void clear());
for (const tab of document.querySelectorAll('[role=tab]')) {
  tab.addEventListener('click', () => {
    view = tab.dataset.view;
    void showPart();
  });
}
setInterval(() => {
  if (!document.hidden) refresh().catch(() => ($('count').textContent = 'the mail catcher does not answer'));
}, 2_000);
void refresh();
