//! What was committed, and which of it may be missing when.

use crate::model::State;

/// One commit, and what it made of the database.
#[derive(Debug, Clone)]
struct Commit {
    state: State,
    /// Operations of the file before it began.
    begun: u64,
    /// Operations of the file after which nothing may undo it.
    promised: Option<u64>,
    /// Operations of the file after which it is gone: a killed process took it along.
    gone: Option<u64>,
    /// Whether it is there also if the process is killed.
    written: bool,
}

/// The commits of a database, in order.
#[derive(Debug, Clone)]
pub struct History {
    commits: Vec<Commit>,
}

impl History {
    /// Begins with what is there for certain.
    pub fn new(state: State) -> Self {
        Self { commits: vec![Commit { state, begun: 0, promised: Some(0), gone: None, written: true }] }
    }

    /// The state after the last commit.
    pub fn current(&self) -> &State {
        &self.commits.iter().rfind(|commit| commit.gone.is_none()).expect("the first never goes").state
    }

    /// A commit that returned. `promised`: when it was certain to survive a power cut; `written`: it survives the process.
    pub fn commit(&mut self, state: State, begun: u64, promised: Option<u64>, written: bool) {
        self.commits.push(Commit {
            state,
            begun,
            promised,
            gone: None,
            written: written || promised.is_some(),
        });
    }

    /// The database was opened again, with this in it. Fails if that may not be.
    pub fn reopened(
        &mut self,
        found: &State,
        killed_at: u64,
        durable_at: u64,
        clean: bool,
    ) -> Result<(), String> {
        let last = self.commits.iter().rposition(|c| c.gone.is_none()).expect("the first never goes");
        let least = if clean {
            last
        } else {
            self.commits.iter().rposition(|c| c.written && c.gone.is_none()).unwrap_or(0)
        };
        let at = self.find(found, least, |commit| commit.gone.is_none())?;
        for commit in &mut self.commits[at + 1..] {
            commit.gone.get_or_insert(killed_at);
        }
        let commit = &mut self.commits[at];
        commit.promised = Some(commit.promised.unwrap_or(u64::MAX).min(durable_at));
        commit.written = true;
        Ok(())
    }

    /// Checks what is found after the power went while operation `cut`, counted from 0, was under way. Returns a
    /// history that begins there.
    pub fn after_cut(&self, found: &State, cut: u64) -> Result<Self, String> {
        let least = self.commits.iter().rposition(|c| c.promised.is_some_and(|at| at <= cut));
        let at = self.find(found, least.unwrap_or(0), |commit| {
            commit.begun <= cut && commit.gone.is_none_or(|at| cut < at)
        })?;
        Ok(Self::new(self.commits[at].state.clone()))
    }

    fn find(&self, found: &State, least: usize, may: impl Fn(&Commit) -> bool) -> Result<usize, String> {
        // The newest of those that are equal: nothing tells them apart.
        let at = self
            .commits
            .iter()
            .enumerate()
            .rposition(|(i, commit)| i >= least && may(commit) && commit.state == *found);
        at.ok_or_else(|| match self.commits.iter().rposition(|commit| commit.state == *found) {
            Some(at) => format!("it is as after commit {at}, but {least} was promised"),
            None => format!(
                "it is as after no commit; of the one promised, {least}: {}",
                self.commits[least].state.difference(found)
            ),
        })
    }
}
