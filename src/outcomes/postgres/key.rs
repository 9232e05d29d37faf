//! The key of the outcomes, as the database has it.

use std::path::Path;

use deadpool_postgres::GenericClient;

use super::super::address_key::AddressKey;
use super::super::digest::Digest;
use super::super::store_error::OutcomeStoreError;
use super::rows::digest;
use crate::batch::postgres::DatabaseFault;

/// The row of the key.
pub(super) struct KeyRow {
    fingerprint: Digest,
    /// `None`: it is in a file.
    secret: Option<Vec<u8>>,
}

impl KeyRow {
    /// A new key: that of the file, which is made if it is not there, or one for the database.
    pub(super) fn make(file: Option<&Path>) -> Result<Self, OutcomeStoreError> {
        if let Some(file) = file {
            let key = AddressKey::open(file, true);
            let key = key.map_err(|error| OutcomeStoreError::of_io(file, error))?;
            return Ok(Self { fingerprint: key.fingerprint(), secret: None });
        }
        let secret = AddressKey::draw_secret().map_err(|_| OutcomeStoreError::Stopped)?;
        let fingerprint = AddressKey::new(&secret).fingerprint();
        Ok(Self { fingerprint, secret: Some(secret.to_vec()) })
    }

    /// The key itself; `file` is the one that the configuration names.
    pub(super) fn open(
        &self,
        file: Option<&Path>,
        place: &str,
    ) -> Result<AddressKey, OutcomeStoreError> {
        let store = place.to_owned();
        let key = match (file, &self.secret) {
            (Some(file), _) if !file.exists() => {
                return Err(OutcomeStoreError::NoKey { key: file.to_owned(), store });
            }
            (Some(file), _) => AddressKey::open(file, false)
                .map_err(|error| OutcomeStoreError::of_io(file, error))?,
            (None, Some(secret)) => {
                let secret = secret.as_slice().try_into();
                AddressKey::new(secret.map_err(|_| OutcomeStoreError::Stopped)?)
            }
            (None, None) => return Err(OutcomeStoreError::KeyElsewhere { store }),
        };
        match file {
            Some(file) if key.fingerprint() != self.fingerprint => {
                Err(OutcomeStoreError::OtherKey { key: file.to_owned(), store })
            }
            _ => Ok(key),
        }
    }
}

/// Reads the row, if there is one.
pub(super) async fn read<C: GenericClient>(client: &C) -> Result<Option<KeyRow>, DatabaseFault> {
    let row = client.query_opt("SELECT fingerprint, secret FROM mailvet.outcome_key", &[]).await?;
    Ok(row.map(|row| KeyRow { fingerprint: digest(&row, 0), secret: row.get(1) }))
}

/// Keeps a row if there is none; the one that is there then.
pub(super) async fn insert<C: GenericClient>(
    client: &C,
    row: &KeyRow,
) -> Result<KeyRow, DatabaseFault> {
    let sql = "INSERT INTO mailvet.outcome_key (fingerprint, secret) VALUES ($1, $2)
               ON CONFLICT DO NOTHING";
    client.execute(sql, &[&row.fingerprint.as_bytes(), &row.secret]).await?;
    let kept = read(client).await?;
    kept.ok_or(DatabaseFault::Unexpected("the key of the outcomes is gone"))
}
