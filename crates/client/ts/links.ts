/**
 * Links that save a file. `<a download>` never reaches a worker, and a plain link to a file is a navigation, which the worker
 * leaves alone; so such a click becomes a marked navigation of a hidden frame, which the worker answers as an attachment.
 *
 * The listener is on the window and in the bubbling phase: a page that handles its own links keeps them.
 */

import { DOWNLOAD, WORKER } from "./protocol";

/** What browsers show rather than save: a plain link to these is left alone. */
const SHOWN = /\.(mp4|m4v|webm|og[agv]|mp3|m4a|aac|flac|wav|opus|pdf|jpe?g|png|gif|webp|avif|svg|txt|x?html?|json|xml|css|m?js)$/i;
const FRAME_LIFE = 300_000;

export const handleLinks = (wanted: (address: string) => boolean): (() => void) => {
  const onClick = (event: MouseEvent): void => {
    const link = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement && !!node.href);
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const url = new URL(link.href);
    const saves = link.hasAttribute("download");
    if (!wanted(link.href) || (!saves && SHOWN.test(url.pathname)) || !navigator.serviceWorker.controller?.scriptURL.endsWith(WORKER)) return;
    event.preventDefault();
    const name = link.download || decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf("/") + 1));
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.src = url.pathname + DOWNLOAD + encodeURIComponent(name).replace(/['()*!]/g, escape);
    // A policy that forbids frames: the click goes its usual way.
    const refused = (): void => {
      frame.remove();
      window.removeEventListener("click", onClick);
      link.click();
      window.addEventListener("click", onClick);
    };
    document.addEventListener("securitypolicyviolation", refused, { once: true });
    setTimeout(() => document.removeEventListener("securitypolicyviolation", refused), 1000);
    setTimeout(() => frame.remove(), FRAME_LIFE);
    document.body.append(frame);
  };
  window.addEventListener("click", onClick);
  return () => window.removeEventListener("click", onClick);
};
