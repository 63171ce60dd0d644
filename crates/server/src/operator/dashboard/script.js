// Keeps the page as the server would send it now, without a reload: fetches it every five seconds while somebody
// can see it, and changes what differs, node by node, so that focus, selection, scrolling and typed text stay.
(() => {
  'use strict';
  const EVERY = 5000;
  const updated = document.getElementById('updated');
  const said = document.getElementById('said');
  const pause = document.getElementById('pause');
  const ours = document.querySelector('body > script').textContent;
  const heading = (root) => root.getElementById('saved-title')?.textContent;

  /** The sections as the server last sent them, by id: what a person opened or typed does not count. */
  let sent = new Map([...document.querySelectorAll('[data-live]')].map((part) => [part.id, part.outerHTML]));
  let tag = '', headline = heading(document), paused = false, lost = false, timer, asking, clearing;

  document.documentElement.classList.add('js');

  /** Tells everybody, a screen reader too; what lasts is said by the page itself. */
  function say(text) {
    said.textContent = text;
    clearTimeout(clearing);
    clearing = setTimeout(() => { said.textContent = ''; }, 12000);
  }

  const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName
    && (one.nodeType !== 1 || (one.id === other.id && one.dataset.key === other.dataset.key));

  /** Makes `from` what `to` is, keeping every node that may stay. */
  function become(from, to) {
    if (from.nodeType !== 1) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    // Whether it is open is the reader's choice.
    const kept = (name) => name === 'open' && from.nodeName === 'DETAILS';
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && !kept(name)) from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value && !kept(name)) from.setAttribute(name, value);
    let at = from.firstChild;
    for (const wanted of to.childNodes) {
      let match = at;
      while (match && !alike(match, wanted)) match = match.nextSibling;
      if (!match) {
        from.insertBefore(document.importNode(wanted, true), at);
        continue;
      }
      if (match === at) at = at.nextSibling;
      else from.insertBefore(match, at);
      become(match, wanted);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  /** Whether somebody has text of this part selected, to copy it. */
  function isSelected(part) {
    const selection = getSelection();
    return !!selection && !selection.isCollapsed && selection.containsNode(part, true);
  }

  /** Takes over what changed. Returns whether all of it could be. */
  function take(next) {
    let whole = true;
    for (const wanted of next.querySelectorAll('[data-live]')) {
      const html = wanted.outerHTML, part = document.getElementById(wanted.id);
      if (!part || sent.get(wanted.id) === html) continue;
      if (isSelected(part)) { whole = false; continue; }
      const focused = part.contains(document.activeElement) ? document.activeElement : null;
      become(part, wanted);
      sent.set(wanted.id, html);
      if (focused && document.activeElement !== focused) {
        // Moved, or gone with its row: then on to the heading of what it was in.
        (focused.isConnected ? focused : part.querySelector('h2'))?.focus({ preventScroll: true });
      }
    }
    document.title = next.title;
    const now = heading(next);
    if (whole && now !== headline) say(`New: ${now}`);
    if (whole) headline = now;
    return whole;
  }

  async function refresh() {
    clearTimeout(timer);
    // One at a time; who asks meanwhile gets the answer of the next.
    if (asking) { await asking; clearTimeout(timer); }
    asking = ask().finally(() => { asking = undefined; });
    await asking;
    if (!paused && !document.hidden) timer = setTimeout(refresh, EVERY);
  }

  async function ask() {
    try {
      const response = await fetch(location.pathname, { headers: tag ? { 'If-None-Match': tag } : {}, signal: AbortSignal.timeout(4 * EVERY) });
      if (response.status === 401 || response.status === 403) throw new Error('the key is asked for: reload the page');
      if (response.status !== 304) {
        if (!response.ok) throw new Error(`the site answered with status ${response.status}`);
        const next = new DOMParser().parseFromString(await response.text(), 'text/html');
        if (next.querySelector('body > script')?.textContent !== ours) {
          if (next.getElementById('saved')) say('Manyhands was updated: reload the page.');
          throw new Error('this page is of another version: reload it');
        }
        tag = take(next) ? response.headers.get('ETag') ?? '' : '';
      }
      updated.textContent = `Live, ${new Date().toLocaleTimeString()}`;
      if (lost) say('Live again.');
      lost = false;
    } catch (error) {
      updated.textContent = `Not live: ${error.name === 'TypeError' || error.name === 'TimeoutError' ? 'the site does not answer' : error.message}`;
      if (!lost) say(updated.textContent);
      lost = true;
    }
  }

  /** Sends what no form of another site can: this type makes browsers ask first. */
  async function submit(form) {
    const button = form.querySelector('button');
    if (button.ariaDisabled === 'true') return;
    const query = [...new FormData(form)].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
    button.ariaDisabled = 'true';
    try {
      const response = await fetch(`${form.getAttribute('action')}?${query}`, { method: 'POST', headers: { 'Content-Type': 'application/json' } });
      const text = await response.text();
      say(response.ok ? `${form.dataset.done}${Object.values(JSON.parse(text))[0]}.` : `Not done: ${text.trim()}`);
      if (response.ok) form.reset();
    } catch {
      say('Not done: the site does not answer.');
    }
    button.ariaDisabled = null;
    tag = '';
    await refresh();
  }

  document.addEventListener('submit', (event) => {
    event.preventDefault();
    submit(event.target);
  });
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (!document.hidden && !paused) refresh();
  });
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    clearTimeout(timer);
    if (paused) updated.textContent = `Paused, ${new Date().toLocaleTimeString()}`;
    else refresh();
  });
  if (!document.hidden) timer = setTimeout(refresh, EVERY);
})();
