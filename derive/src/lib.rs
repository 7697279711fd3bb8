//! `#[derive(FromRow)]` of FluxDB; what it does is described where it is exported, at `fluxdb::FromRow`.

use proc_macro::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Field, Fields, Index, LitStr, Result, parse_macro_input, parse_quote};

/// Makes a struct of a row: each field is the column of its name, or of its place in a tuple struct.
///
/// `#[fluxdb(rename = "column")]` names another column, `#[fluxdb(default)]` takes the type's default if there is no such
/// column or it is NULL, `#[fluxdb(skip)]` always does.
#[proc_macro_derive(FromRow, attributes(fluxdb))]
pub fn from_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(input).unwrap_or_else(Error::into_compile_error).into()
}

/// What `#[fluxdb(…)]` says about a field.
#[derive(Default)]
struct Attributes {
    rename: Option<String>,
    default: bool,
    skip: bool,
}

impl Attributes {
    fn of(field: &Field) -> Result<Self> {
        let mut found = Self::default();
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("fluxdb")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    found.rename = Some(meta.value()?.parse::<LitStr>()?.value());
                } else if meta.path.is_ident("default") {
                    found.default = true;
                } else if meta.path.is_ident("skip") {
                    found.skip = true;
                } else {
                    return Err(meta.error("there are rename = \"…\", default and skip"));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

fn expand(mut input: DeriveInput) -> Result<proc_macro2::TokenStream> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        _ => return Err(Error::new_spanned(&input.ident, "only a struct can be made of a row")),
    };
    let mut values = vec![];
    let mut bounds: Vec<syn::WherePredicate> = vec![];
    for (position, field) in fields.iter().enumerate() {
        let (attributes, ty) = (Attributes::of(field)?, &field.ty);
        let column = match (&attributes.rename, &field.ident) {
            (Some(name), _) => quote!(#name),
            (None, Some(ident)) => {
                let name = ident.to_string();
                let name = name.strip_prefix("r#").unwrap_or(&name);
                quote!(#name)
            }
            (None, None) => quote!(#position),
        };
        let place = match &field.ident {
            Some(ident) => quote!(#ident),
            None => {
                let index = Index::from(position);
                quote!(#index)
            }
        };
        let value = if attributes.skip {
            quote!(::core::default::Default::default())
        } else if attributes.default {
            quote!(if row.has(#column) {
                row.get::<_, ::core::option::Option<#ty>>(#column)?.unwrap_or_default()
            } else {
                ::core::default::Default::default()
            })
        } else {
            quote!(row.get(#column)?)
        };
        values.push(quote!(#place: #value));
        // A field of a parameter's type asks for what is needed of it.
        if !input.generics.params.is_empty() && !attributes.skip {
            bounds.push(parse_quote!(#ty: ::fluxdb::FromValue));
        }
    }
    if matches!(fields, Fields::Unit) || fields.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a struct without fields is made of nothing"));
    }
    if !bounds.is_empty() {
        input.generics.make_where_clause().predicates.extend(bounds);
    }
    let (name, row) = (&input.ident, format_ident!("row"));
    let (implementation, of, conditions) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #implementation ::fluxdb::FromRow for #name #of #conditions {
            fn from_row(#row: &::fluxdb::Row) -> ::fluxdb::Result<Self> {
                ::core::result::Result::Ok(Self { #(#values),* })
            }
        }
    })
}
