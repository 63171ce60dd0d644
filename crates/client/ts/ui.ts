/** The question and the badge: small, in a shadow tree of their own, styled without inline styles. */

import type { Api, Status } from "./protocol";

const STYLE = `:host{all:initial}
div{position:fixed;inset:auto 1rem 1rem auto;z-index:2147483647;max-width:26rem;padding:.4rem;border-radius:.4rem;
font:13px/1.4 system-ui;color-scheme:light dark;color:CanvasText;background:Canvas;box-shadow:0 1px 8px #0006}
button{font:inherit;margin:0 .4rem}`;

const box = (name: string, text: string, buttons: [string, () => void][]): { element: HTMLElement; label: HTMLElement } => {
  const element = document.createElement(name);
  const root = element.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const panel = document.createElement("div");
  const label = document.createElement("span");
  label.textContent = text;
  panel.append(label);
  for (const [caption, act] of buttons) {
    const button = document.createElement("button");
    button.textContent = caption;
    button.onclick = act;
    panel.append(button);
  }
  root.append(panel);
  // A script in the head may ask for something before there is a body.
  (document.body ?? document.documentElement).append(element);
  return { element, label: panel };
};

/** Asks once; not modal, takes no focus. */
export const ask = (api: Api): (() => void) => {
  const answer = (act: () => Promise<void>) => (): void => {
    element.remove();
    void act();
  };
  const { element, label } = box(
    "manyhands-question",
    "Large files on this site can come from other visitors too, and you would pass them on. Visitors who exchange data see each other's network address. ",
    [
      ["Share", answer(api.enable)],
      ["No, thanks", answer(api.disable)],
    ],
  );
  label.setAttribute("role", "dialog");
  label.setAttribute("aria-label", "Sharing");
  return () => element.remove();
};

const size = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** What is going on, and the way to end it and to begin again. */
export const badge = (api: Api): ((status: Pick<Status, "given" | "received">, on: boolean) => void) => {
  let sharing = true;
  const { label } = box("manyhands-badge", "", [["", () => void (sharing ? api.disable() : api.enable())]]);
  label.setAttribute("role", "status");
  return ({ given, received }, on) => {
    sharing = on;
    label.firstChild!.textContent = `Sharing: ${on ? "on" : "off"} · ${size(received.peers)} from visitors · ${size(given)} given`;
    label.lastChild!.textContent = on ? "Turn off" : "Turn on";
  };
};
