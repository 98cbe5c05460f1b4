//! The project's own credential for Azure Blob Storage, as the store's client asks for it.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::azure::AzureCredential;
use object_store::{CredentialProvider, Error};

use super::Tokens;
use crate::defender::Clock;

/// Hands tokens to a client of Azure Blob Storage.
#[derive(Debug)]
pub struct StorageCredential {
    tokens: Tokens,
    clock: Clock,
}

impl StorageCredential {
    /// Nothing is asked before the first request.
    pub fn new(tokens: Tokens, clock: Clock) -> Self {
        StorageCredential { tokens, clock }
    }
}

#[async_trait]
impl CredentialProvider for StorageCredential {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        let token = self.tokens.get(self.clock.now()).await;
        let token = token.map_err(|e| Error::Unauthenticated {
            path: "a token for Azure Blob Storage".to_owned(),
            source: Box::new(e),
        })?;
        Ok(Arc::new(AzureCredential::BearerToken(token.expose().to_owned())))
    }
}
