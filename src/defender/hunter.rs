//! Runs hunting queries with a client of the API's own service.

use async_trait::async_trait;

use super::auth::AuthError;
use super::client::Client;
use super::hunting::{HuntError, Hunting};
use super::read_error::ReadError;
use crate::model::{HuntingApi, HuntingQuery, HuntingTable};

/// Runs queries; clones share token and quotas.
#[derive(Clone)]
pub struct Hunter {
    client: Result<Client, AuthError>,
    api: HuntingApi,
    tenant: Option<String>,
}

impl Hunter {
    /// A hunter over a client of the API's service, or the reason why there is none: it matters once a query
    /// is run. If `tenant` is given, a token that says another one is refused.
    pub fn new(client: Result<Client, AuthError>, api: HuntingApi, tenant: Option<String>) -> Self {
        Hunter { client, api, tenant }
    }
}

#[async_trait]
impl Hunting for Hunter {
    fn api(&self) -> HuntingApi {
        self.api
    }

    async fn run(&self, query: &HuntingQuery) -> Result<HuntingTable, HuntError> {
        if self.api == HuntingApi::Defender && query.timespan.is_some() {
            return Err(HuntError::NoTimespan);
        }
        let client = self.client.as_ref().map_err(|e| ReadError::Auth(e.clone()))?;
        let token = client.token().await.map_err(ReadError::from)?;
        if let (Some(wanted), Some(got)) = (&self.tenant, token.claims().and_then(|c| c.tenant))
            && !wanted.eq_ignore_ascii_case(&got)
        {
            let other = AuthError::OtherTenant { got, wanted: wanted.clone() };
            return Err(ReadError::from(other).into());
        }
        Ok(client.run_query(self.api, query).await?)
    }
}
