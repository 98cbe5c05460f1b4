//! Cases of a runbook: an incident to try it with, and what shall come of it.

use std::sync::Arc;

use super::expand::{Budget, Expanded, Runbook, expand};
use super::incident::{Incident, Origin};
