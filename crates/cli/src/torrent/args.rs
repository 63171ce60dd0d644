use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TorrentCommand {
    /// Make the torrent of a file or a directory
    ///
    /// Regular files only. Names that begin with a dot are left out unless --hidden is given. Symbolic links are
    /// followed while they stay within the directory; one that leads out of it is an error.
    Create(CreateArgs),
    /// Print what a torrent says
    Show(ShowArgs),
    /// Compare files with their torrent; exit code 1 when they are not whole
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// A file, a directory, or - for the standard input
    pub(crate) path: PathBuf,
    /// Where to write the torrent, - for the standard output [default: NAME.torrent, here]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Name of the torrent [default: the name of PATH]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A URL the file is to be had from; of a directory the URL of what it lies in, with / at its end
    #[arg(long, value_name = "URL")]
    pub(crate) web_seed: Vec<String>,
    /// A tier of trackers: one URL, or several with commas between
    #[arg(long, value_name = "URLS")]
    pub(crate) tracker: Vec<String>,
    /// Such as 256KiB, 1MiB or 262144 [default: a power of two for at most 2,048 pieces, within 256 KiB
    /// and 16 MiB; of the standard input 1 MiB]
    #[arg(long, value_name = "N")]
    pub(crate) piece_length: Option<String>,
    /// BitTorrent v1 and v2 in one; some clients open v1 only
    #[arg(long)]
    pub(crate) hybrid: bool,
    /// Where clients ask for a later version; changes the info-hash
    #[arg(long, value_name = "URL")]
    pub(crate) update_url: Option<String>,
    /// For people to read
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// Peers from these trackers only; changes the info-hash
    #[arg(long)]
    pub(crate) private: bool,
    /// Take names that begin with a dot along
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Print what was made as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Overwrite the output file
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The torrent, - for the standard input
    pub(crate) file: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The torrent, - for the standard input
    pub(crate) file: PathBuf,
    /// The file or directory, or the directory it lies in
    pub(crate) path: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
