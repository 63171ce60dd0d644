use std::path::Path;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use manyhands::{Config, Engine, ManyhandsLayer};
use manyhands_origin::{StaticOptions, StaticRoot};
use tower::Layer;

use crate::args::ServeArgs;
use crate::demo::NarrowLine;
use crate::{demo, preload, run, settings};

pub(crate) fn run(args: ServeArgs) -> anyhow::Result<()> {
    let mut base = if args.demo { demo::config() } else { Config::default() };
    // A mirror is there to be shared: what is new in it need not become popular first.
    (base.admission.requests, base.admission.prefixes) = (1, 1);
    base.site.suffixes = true;
    base.assets.list = true;
    let mut config = settings::load(&base, &args.common.settings)?;
    let directory = match args.directory {
        Some(directory) => directory,
        None => demo::prepare(&config.state.dir)?,
    };
    let root = StaticRoot::open(&directory, StaticOptions::default())?;
    apart(root.directory(), &config.state.dir)?;
    run::block_on(async {
        let listener = run::listen(&args.common, &mut config).await?;
        let layer = ManyhandsLayer::new(config)?;
        let preload = tokio::spawn(preload::all(root.clone(), layer.engine().clone()));
        if args.demo {
            let _ = preload.await;
            hashed(layer.engine()).await;
            eprintln!("{}", demo::GUIDE);
            return run::serve(listener, layer.layer(NarrowLine::new(root))).await;
        }
        run::serve(listener, layer.layer(root)).await
    })
}

/// Keys must not lie where they can be downloaded.
fn apart(root: &Path, state: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(state).with_context(|| {
        format!("cannot make the state directory {}; choose another with --state", state.display())
    })?;
    let state = state.canonicalize().context("cannot find the state directory")?;
    if state.starts_with(root) {
        bail!(
            "the state directory {} lies inside the served directory {}; choose another with --state",
            state.display(),
            root.display()
        );
    }
    Ok(())
}

/// Waits for the hash workers, with a bar on a terminal.
async fn hashed(engine: &Engine) {
    let bar = ProgressBar::new_spinner().with_message("hashing the large files");
    loop {
        let (pending, bytes) = engine.pending();
        if pending == 0 {
            break;
        }
        bar.set_position(bytes);
        bar.tick();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    bar.finish_and_clear();
}
