use crate::{Arm, Block, Bucket, Design, Salt};

/// The experiment that runs: which arm an asset or a visitor is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    design: Design,
    salt: Salt,
    /// `https://example.org`
    origin: String,
}

/// What matters of who asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Says to be a robot: in no arm.
    pub robot: bool,
    /// The group of visitors, where the experiment goes by those and this one is in one.
    pub bucket: Option<Bucket>,
}

impl Assignment {
    /// `origin` is the site's, such as `https://example.org`: an asset's key is its origin and its path.
    #[must_use]
    pub fn new(design: Design, salt: Salt, origin: String) -> Self {
        Self { design, salt, origin }
    }

    /// How units are made.
    #[must_use]
    pub fn design(&self) -> Design {
        self.design
    }

    /// The key of the assignment.
    #[must_use]
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// Whether visitors are in arms, and not assets.
    #[must_use]
    pub fn is_by_visitor(&self) -> bool {
        matches!(self.design, Design::Visitors { .. })
    }

    /// The arm in which a visitor gets an asset (its path) at a time, in seconds since the epoch. Who is in no
    /// bucket shares: outside the estimate.
    #[must_use]
    pub fn arm(&self, asset: &str, visitor: Visitor, now: u64) -> Arm {
        match visitor.bucket.filter(|_| self.is_by_visitor()) {
            Some(bucket) => self.arm_of_bucket(bucket),
            None => self.arm_of_asset(asset, self.design.block(now)),
        }
    }

    /// The arm of an asset for everybody; always [`Arm::P2p`] where visitors are assigned.
    #[must_use]
    pub fn arm_of_asset(&self, asset: &str, block: Block) -> Arm {
        let key = [self.origin.as_bytes(), asset.as_bytes()];
        self.design.arm_of_asset(&self.salt, &key, block)
    }

    /// The arm of a group of visitors; always [`Arm::P2p`] where assets are assigned.
    #[must_use]
    pub fn arm_of_bucket(&self, bucket: Bucket) -> Arm {
        self.design.arm_of_bucket(&self.salt, bucket)
    }
}
