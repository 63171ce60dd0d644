import { Assets, respond } from "./assets";
import type { Site } from "./protocol";
let assets: Assets;
export const start = (site: Site): void => { assets = new Assets(site, () => {}); };
export const get = (path: string, http = true) => respond(assets, path, http);
export const status = () => ({ received: assets.received, given: assets.budget.given, peers: assets.peers, live: [...(assets as any).live].map((a: any) => ({ ...a.transfer.received, h: a.transfer.scheduler.http.mean, cut: a.transfer.scheduler.cut })) });
