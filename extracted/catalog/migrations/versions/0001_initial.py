"""Categories, products, and their prices apart from them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def reference(column: str, to: str, name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=name, deferrable=True, initially="DEFERRED")


def upgrade() -> None:
    op.create_table(
        "category",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("parent_id", sa.BigInteger()),
        sa.Column("slug", sa.String(50), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="category_pkey"),
        reference("parent_id", "category.id", "category_parent_id_fkey"),
        sa.UniqueConstraint("path", name="category_path_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("category_parent_id_idx", "category", ["parent_id"])
    op.create_table(
        "product",
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("category_id", sa.BigInteger(), nullable=False),
        sa.Column("attributes", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sku", name="product_pkey"),
        reference("category_id", "category.id", "product_category_id_fkey"),
    )
    op.create_index(
        "product_category_id_withdrawn_title_idx", "product", ["category_id", "withdrawn", "title"]
    )
    op.create_index("product_withdrawn_title_idx", "product", ["withdrawn", "title"])
    op.create_table(
        "price",
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("ten_thousandths", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.PrimaryKeyConstraint("sku", name="price_pkey"),
        reference("sku", "product.sku", "price_sku_fkey"),
        sa.CheckConstraint("ten_thousandths > 0", name=op.f("price_positive")),
    )
    op.create_index("price_currency_ten_thousandths_idx", "price", ["currency", "ten_thousandths"])


def downgrade() -> None:
    op.drop_table("price")
    op.drop_table("product")
    op.drop_table("category")
